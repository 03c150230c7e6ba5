"""Params, metrics and tags: what is logged is what is read."""

import math
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
from harness import client, experiment, fails, in_experiment, raises, since_3
from mlflow.entities import Metric, Param, RunTag


def read(run):
    return client.get_run(run.info.run_id).data


def start():
    in_experiment("values")
    return mlflow.start_run()


def check_params():
    """Params of every kind of value are read as text"""
    with start() as run:
        mlflow.log_param("int", 1)
        mlflow.log_param("none", None)
        mlflow.log_params({"float": 0.1, "bool": True, "list": [1, "a"], "dict": {"a": 1}, "empty": "", "text": "ünï 'quoted' \"x\"\nline"})
    expected = {"int": "1", "none": "None", "float": "0.1", "bool": "True", "list": "[1, 'a']", "dict": "{'a': 1}", "empty": "", "text": "ünï 'quoted' \"x\"\nline"}
    assert read(run).params == expected, read(run).params


def check_params_many():
    """150 params at once are all there"""
    params = {f"p{i}": i for i in range(150)}
    with start() as run:
        mlflow.log_params(params)
    assert read(run).params == {k: str(v) for k, v in params.items()}


def check_params_change():
    """A param logged again with its value is fine; with another one it is refused and stays"""
    with start() as run:
        mlflow.log_param("p", 1)
        mlflow.log_param("p", 1)
        mlflow.log_params({"p": 1, "q": 2})
        fails("INVALID_PARAMETER_VALUE", lambda: mlflow.log_param("p", 2), "Changing param values is not allowed")
        fails("INVALID_PARAMETER_VALUE", lambda: mlflow.log_params({"q": 3}))
    assert read(run).params == {"p": "1", "q": "2"}


def check_values_long():
    """A param of 6,000 characters and a tag of 8,000 are kept; longer ones are cut there"""
    with start() as run:
        mlflow.log_param("fits", "x" * 6000)
        mlflow.log_param("cut", "y" * 7000)
        mlflow.set_tag("fits", "x" * 8000)
        mlflow.set_tag("cut", "y" * 9000)
    data = read(run)
    assert (data.params["fits"], data.params["cut"]) == ("x" * 6000, "y" * 6000)
    assert (data.tags["fits"], data.tags["cut"]) == ("x" * 8000, "y" * 8000)


def check_keys():
    """Keys may have spaces, slashes, dots, dashes, colons and letters of any script"""
    keys = ["train/loss", "a b", "a.b-c_d", "größe", "损失", "k" * 250] + ["a:b"]
    with start() as run:
        for key in keys:
            mlflow.log_metric(key, 1.0)
            mlflow.log_param(key, "v")
            mlflow.set_tag(key, "t")
    data = read(run)
    assert set(data.metrics) == set(data.params) == set(keys) <= set(data.tags)


def check_keys_refused():
    """Keys that are no keys are refused by a sentence, and the run goes on"""
    with start() as run:
        for key in ("a//b", "../a", "/a", "", "a\nb", "a#b", "k" * 251):
            fails("INVALID_PARAMETER_VALUE", lambda: mlflow.log_metric(key, 1.0))
            fails("INVALID_PARAMETER_VALUE", lambda: mlflow.log_param(key, 1.0))
        raises(Exception, lambda: mlflow.log_metric("m", "no number"))
        mlflow.log_metric("m", 1.0)
    assert read(run).metrics == {"m": 1.0} and read(run).params == {}


def check_metrics_kinds():
    """Numbers of Python and NumPy are metrics"""
    with start() as run:
        mlflow.log_metrics({"int": 1, "float": 0.25, "np32": np.float32(0.5), "np64": np.float64(0.1), "npint": np.int64(7), "big": 1e300, "tiny": 5e-324})
        mlflow.log_metric("array", np.array(3.5))
        mlflow.log_metric("bool", True)
    assert read(run).metrics == {"int": 1, "float": 0.25, "np32": 0.5, "np64": 0.1, "npint": 7, "big": 1e300, "tiny": 5e-324, "array": 3.5, "bool": 1}


def check_metrics_not_finite():
    """NaN stays NaN, infinities become the greatest doubles, and the run can be searched by them"""
    with start() as run:
        mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "neg": -math.inf})
        for step, value in enumerate([1.0, math.nan, 2.0]):
            mlflow.log_metric("gaps", value, step=step)
    metrics = read(run).metrics
    assert math.isnan(metrics["nan"]) and (metrics["inf"], metrics["neg"]) == (sys.float_info.max, -sys.float_info.max), metrics
    history = [p.value for p in client.get_metric_history(run.info.run_id, "gaps")]
    assert history[0] == 1.0 and math.isnan(history[1]) and history[2] == 2.0
    found = client.search_runs([experiment("values")], "metrics.inf > 1e308")
    assert run.info.run_id in [r.info.run_id for r in found]


def check_metrics_history():
    """Steps come back in order, whatever order they went in; the latest step is the run's value"""
    with start() as run:
        for step in (2, 0, 1, -1, 10):
            mlflow.log_metric("loss", 10 - step, step=step, timestamp=1000 + step)
        mlflow.log_metric("loss", 0.0, step=10, timestamp=1010)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(p.step, p.value, p.timestamp) for p in history] == [(-1, 11, 999), (0, 10, 1000), (1, 9, 1001), (2, 8, 1002), (10, 0, 1010), (10, 0, 1010)] or [
        (p.step, p.value) for p in history
    ] == [(-1, 11), (0, 10), (1, 9), (2, 8), (10, 0)], history
    assert read(run).metrics == {"loss": 0.0}


def check_metrics_many():
    """1,500 metrics at once, and a batch at each limit, are all there"""
    with start() as run:
        mlflow.log_metrics({f"m{i}": i for i in range(1500)}, step=3)
        now = int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric("curve", i / 7, now + i, i) for i in range(800)],
            params=[Param(f"p{i}", "v") for i in range(100)],
            tags=[RunTag(f"t{i}", "v") for i in range(100)],
        )
    data = read(run)
    assert len(data.metrics) == 1501 and data.metrics["m1499"] == 1499 and len(data.params) == 100 and len([t for t in data.tags if t.startswith("t")]) == 100
    assert [p.step for p in client.get_metric_history(run.info.run_id, "curve")] == list(range(800))


def check_metrics_repeated():
    """A batch that is sent twice, as a retry does, counts once"""
    with start() as run:
        batch = [Metric("m", float(i), 1000 + i, i) for i in range(10)]
        for _ in range(2):
            client.log_batch(run.info.run_id, metrics=batch)
    assert len(client.get_metric_history(run.info.run_id, "m")) == 10


def check_tags():
    """Tags are set, overwritten and removed, one and many at a time"""
    with start() as run:
        mlflow.set_tag("a", 1)
        mlflow.set_tags({"a": 2, "b": "ü", "release.version": "2.2.0"})
        mlflow.delete_tag("b")
        fails("RESOURCE_DOES_NOT_EXIST", lambda: mlflow.delete_tag("never"))
    tags = {k: v for k, v in read(run).tags.items() if not k.startswith("mlflow.")}
    assert tags == {"a": "2", "release.version": "2.2.0"}, tags


def check_asynchronous():
    """Values logged without waiting are there when they were waited for"""
    with start() as run:
        waits = [mlflow.log_metric("loss", i, step=i, synchronous=False) for i in range(50)]
        waits += [mlflow.log_metrics({"a": 1, "b": 2}, synchronous=False), mlflow.log_params({"p": 1}, synchronous=False)]
        waits += [mlflow.log_param("q", 2, synchronous=False), mlflow.set_tag("t", "v", synchronous=False)]
        for wait in waits:
            wait.wait()
    data = read(run)
    assert data.metrics == {"loss": 49, "a": 1, "b": 2} and data.params == {"p": "1", "q": "2"} and data.tags["t"] == "v"
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 50


def check_asynchronous_by_default():
    """With asynchronous logging switched on, the end of the run waits for everything"""
    mlflow.config.enable_async_logging(True)
    try:
        with start() as run:
            for i in range(100):
                mlflow.log_metric("loss", i, step=i)
            mlflow.log_params({f"p{i}": i for i in range(120)})
            mlflow.flush_async_logging()
    finally:
        mlflow.config.enable_async_logging(False)
    data = read(run)
    assert data.metrics == {"loss": 99} and len(data.params) == 120 and len(client.get_metric_history(run.info.run_id, "loss")) == 100


def check_threads_on_one_run():
    """Eight threads log into one run, and nothing is lost"""
    in_experiment("values")
    run = client.create_run(experiment("values"))

    def work(worker):
        for step in range(25):
            client.log_metric(run.info.run_id, f"m{worker}", step, step=step)
        client.log_param(run.info.run_id, f"p{worker}", worker)
        client.set_tag(run.info.run_id, "last", str(worker))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    data = read(run)
    assert data.metrics == {f"m{i}": 24 for i in range(8)} and len(data.params) == 8 and data.tags["last"] in "01234567"
    assert all(len(client.get_metric_history(run.info.run_id, f"m{i}")) == 25 for i in range(8))


def check_threads_with_runs_of_their_own():
    """Eight threads have a run each, one experiment together, and start at one moment"""
    in_experiment("threads")
    gate = threading.Barrier(8)

    def work(i):
        gate.wait()
        with mlflow.start_run(run_name=f"t{i}", nested=True) as run:
            mlflow.log_params({"i": i})
            mlflow.log_metric("m", i)
        return run.info.run_id

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(8)))
    found = {r.info.run_id: r.data.metrics["m"] for r in client.search_runs([experiment("threads")])}
    assert len(set(made)) == 8 and {found[run] for run in made} == set(range(8))


def check_threads_on_one_name():
    """Eight threads that set one new experiment at one moment share it"""
    from harness import unique

    name, gate = unique("race"), threading.Barrier(8)

    def work(_):
        gate.wait()
        try:
            return client.create_experiment(name)
        except mlflow.MlflowException as error:
            assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
            return client.get_experiment_by_name(name).experiment_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(8)))) == 1


def check_figures_of_the_machine():
    """Figures of the machine are sampled while a run is open"""
    in_experiment("values")
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run(log_system_metrics=True) as run:
        for _ in range(100):
            if any(k.startswith("system/cpu") for k in read(run).metrics):
                break
            time.sleep(0.1)
    metrics = read(run).metrics
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(metrics), metrics


@since_3
def check_metric_of_a_model():
    """A metric may belong to a model and a dataset, and the model has it"""
    with start() as run:
        model = mlflow.initialize_logged_model(name="measured")
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_metric("acc", 0.5, model_id=model.model_id)
        mlflow.log_metrics({"f1": 0.25}, model_id=model.model_id)
    metrics = {m.key: m.value for m in mlflow.get_logged_model(model.model_id).metrics}
    assert metrics == {"acc": 0.5, "f1": 0.25} == read(run).metrics, metrics
