"""Traces are not kept here: what matters is that no script that makes them fails or waits."""

import time

import mlflow
from harness import in_experiment
from mlflow.exceptions import MlflowException


def quickly(work):
    began = time.monotonic()
    result = work()
    assert time.monotonic() - began < 20, "it waits for traces"
    return result


def check_traced_function():
    """A function under @mlflow.trace gives its result, inside a run and outside, and raises what it raises"""
    in_experiment("tracing")

    @mlflow.trace
    def add(a, b):
        with mlflow.start_span("inner") as span:
            span.set_inputs({"a": a})
            span.set_attribute("k", "v")
            return a + b

    @mlflow.trace
    def broken():
        raise KeyError("of the function")

    assert quickly(lambda: add(1, 2)) == 3
    with mlflow.start_run():
        assert quickly(lambda: [add(i, i) for i in range(5)]) == [0, 2, 4, 6, 8]
        try:
            broken()
        except KeyError:
            pass
        mlflow.log_metric("after", 1)


def check_traces_flushed():
    """Waiting for traces that were not taken comes to its end"""
    in_experiment("tracing")

    @mlflow.trace
    def work():
        return 1

    assert work() == 1
    if hasattr(mlflow, "flush_trace_async_logging"):
        try:
            quickly(mlflow.flush_trace_async_logging)
        except MlflowException:
            pass


def check_traces_searched():
    """A search of traces says in MLflow's words that there are none here, and does not wait"""
    in_experiment("tracing")
    try:
        assert len(quickly(lambda: mlflow.search_traces())) == 0
    except MlflowException as error:
        assert error.error_code in ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"), error
