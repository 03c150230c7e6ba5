"""What the checks share. A check is a function named check_...; its docstring is the sentence that it holds."""

import contextlib
import functools
import json
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

MAJOR = int(mlflow.__version__.split(".")[0])
client = MlflowClient()


def since_3(check):
    """A check of what MLflow 2 does not have."""
    check.applies = MAJOR >= 3
    return check


def fails(code, call, *words):
    """The call raises MLflow's error with this code, and its message has these words."""
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code}: {error}"
        for word in words:
            assert word in str(error), f"{word!r} is not in {error}"
        return
    raise AssertionError(f"no error, where {code} was expected")


def raises(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def named(name):
    """The name of a model as the client of this version takes it."""
    return {"name": name} if MAJOR >= 3 else {"artifact_path": name}


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@functools.cache
def experiment(name):
    """The id of an experiment of that theme, made active for the fluent calls."""
    return mlflow.set_experiment(name).experiment_id


def in_experiment(name):
    mlflow.set_experiment(name)
    return experiment(name)


def artifact_paths(run_id, path=""):
    """Every file of a run below the path, as the client lists it."""
    found = []
    for entry in client.list_artifacts(run_id, path):
        found += artifact_paths(run_id, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


def run_checks(modules, wanted):
    for module in modules:
        for name, check in list(vars(module).items()):
            if not name.startswith("check_") or (wanted and name not in wanted) or not getattr(check, "applies", True):
                continue
            began = time.perf_counter()
            try:
                check()
                error = None
            except BaseException:  # noqa: BLE001 - the other side reports it
                error = traceback.format_exc()
            finally:
                while mlflow.active_run():
                    mlflow.end_run()
            print(json.dumps({"check": check.__doc__, "error": error, "seconds": round(time.perf_counter() - began, 3)}), flush=True)
    sys.stdout.flush()
