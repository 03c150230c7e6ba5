"""Drives a running server with the unmodified MLflow client; knows nothing of what is behind the address.

Every function named check_... is one check; its docstring is the sentence that it holds. One line of JSON
per check goes to standard output: {"check": "...", "error": null or the traceback}.
"""

import json
import math
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import mlflow
import numpy as np
import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

URL = os.environ["MLFLOW_TRACKING_URI"]
client = MlflowClient()
MAX_DOUBLE = sys.float_info.max


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


def new_experiment(name):
    return client.create_experiment(name)


def new_run(name="runs", **more):
    found = client.get_experiment_by_name(name)
    return client.create_run(found.experiment_id if found else new_experiment(name), **more).info.run_id


# --- experiments ---------------------------------------------------------------------------------------


def check_experiment_round_trip():
    """An experiment is created, found by name and by id, and has its tags and place for artifacts"""
    made = client.create_experiment("round trip", tags={"team": "ops", "naïve": "ünïcode"})
    by_id, by_name = client.get_experiment(made), client.get_experiment_by_name("round trip")
    assert by_id.experiment_id == by_name.experiment_id == made
    assert by_id.name == "round trip" and by_id.lifecycle_stage == "active"
    assert by_id.tags == {"team": "ops", "naïve": "ünïcode"}
    assert by_id.artifact_location == f"mlflow-artifacts:/{made}"
    assert abs(by_id.creation_time - time.time() * 1000) < 60_000


def check_experiment_default():
    """Experiment 0 is there from the beginning and is called Default"""
    assert client.get_experiment("0").name == "Default"


def check_experiment_absent():
    """An unknown name is None; an unknown id does not exist; a duplicate exists already, deleted ones too"""
    assert client.get_experiment_by_name("never made") is None
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("999999"), "No Experiment with id=999999 exists")
    fails("INVALID_PARAMETER_VALUE", lambda: client.get_experiment("not-a-number"))
    made = new_experiment("taken")
    fails("RESOURCE_ALREADY_EXISTS", lambda: new_experiment("taken"), "Experiment(name=taken) already exists")
    client.delete_experiment(made)
    fails("RESOURCE_ALREADY_EXISTS", lambda: new_experiment("taken"))


def check_experiment_refused():
    """Names that are empty or too long and places with a fragment are refused"""
    fails("INVALID_PARAMETER_VALUE", lambda: new_experiment("n" * 501), "exceeds the maximum length of 500")
    fails("INVALID_PARAMETER_VALUE", lambda: client._tracking_client.store.create_experiment("place", artifact_location="s3://bucket/a#b"))
    fails("INVALID_PARAMETER_VALUE", lambda: client._tracking_client.store.create_experiment("place", artifact_location="runs:/1/a"))


def check_experiment_lifecycle():
    """Deleting an experiment deletes its runs and restoring brings all of them back; a deleted one takes nothing"""
    experiment = new_experiment("lifecycle")
    run = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert client.get_experiment_by_name("lifecycle").lifecycle_stage == "deleted"
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_run(experiment), "must be in the 'active' state")
    fails("INVALID_PARAMETER_VALUE", lambda: client.log_metric(run, "m", 1.0), "must be in the 'active' state")
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_experiment(experiment))
    client.restore_experiment(experiment)
    assert client.get_run(run).info.lifecycle_stage == "active"
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.restore_experiment(experiment))
    client.rename_experiment(experiment, "lifecycle 2")
    assert client.get_experiment(experiment).name == "lifecycle 2"


def check_experiment_tags():
    """Tags of an experiment are set, overwritten and removed; a missing one does not exist"""
    experiment = new_experiment("tagged")
    client.set_experiment_tag(experiment, "a", "1")
    client.set_experiment_tag(experiment, "a", "2")
    assert client.get_experiment(experiment).tags == {"a": "2"}
    client.delete_experiment_tag(experiment, "a")
    assert client.get_experiment(experiment).tags == {}
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_experiment_tag(experiment, "a"))
    client.set_experiment_tag(experiment, "long", "x" * 20_000)
    fails("INVALID_PARAMETER_VALUE", lambda: client.set_experiment_tag(experiment, "long", "x" * 20_001))


def check_experiment_search():
    """Experiments are searched by name, time and tag, ordered and paged"""
    ids = [client.create_experiment(f"search-{i}", tags={"parity": "even" if i % 2 == 0 else "odd"}) for i in range(5)]
    names = lambda **query: [e.name for e in client.search_experiments(**query)]
    assert names(filter_string="name LIKE 'search-%'", order_by=["name ASC"]) == [f"search-{i}" for i in range(5)]
    assert names(filter_string="name ILIKE 'SEARCH-%' AND tags.parity = 'odd'", order_by=["name DESC"]) == ["search-3", "search-1"]
    assert names(filter_string="name LIKE 'search-%' AND tags.parity != 'odd'", order_by=["name"]) == ["search-0", "search-2", "search-4"]
    assert names(filter_string="name LIKE 'SEARCH-%'") == []
    assert names(filter_string="name LIKE 'search-%' AND tags.other IS NULL AND tags.parity IS NOT NULL", order_by=["name"])[0] == "search-0"
    made = client.get_experiment(ids[3]).creation_time
    assert "search-3" in names(filter_string=f"creation_time >= {made} AND last_update_time > 0")
    first = client.search_experiments(filter_string="name LIKE 'search-%'", order_by=["name"], max_results=3)
    rest = client.search_experiments(filter_string="name LIKE 'search-%'", order_by=["name"], max_results=3, page_token=first.token)
    assert [len(first), len(rest), rest.token or None] == [3, 2, None]
    assert client.search_experiments(filter_string="name = 'search-0'")[0].experiment_id == ids[0]
    client.delete_experiment(ids[0])
    assert len(names(filter_string="name LIKE 'search-%'")) == 4
    assert names(filter_string="name LIKE 'search-%'", view_type=ViewType.DELETED_ONLY) == ["search-0"]
    assert len(names(filter_string="name LIKE 'search-%'", view_type=ViewType.ALL)) == 5
    fails("INVALID_PARAMETER_VALUE", lambda: client.search_experiments(filter_string="colour = 'red'"), "Invalid attribute key")
    fails("INVALID_PARAMETER_VALUE", lambda: client.search_experiments(max_results=50_001))


# --- runs ----------------------------------------------------------------------------------------------


def check_run_round_trip():
    """A run is created, updated and read back with its name mirrored in a tag"""
    experiment = new_experiment("run round trip")
    run = client.create_run(experiment, start_time=1234, tags={"a": "b"}, run_name="first")
    info = run.info
    assert len(info.run_id) == 32 and int(info.run_id, 16) >= 0
    assert (info.experiment_id, info.status, info.start_time, info.end_time) == (experiment, "RUNNING", 1234, None)
    assert info.run_name == "first" and run.data.tags["mlflow.runName"] == "first" and run.data.tags["a"] == "b"
    assert info.artifact_uri == f"mlflow-artifacts:/{experiment}/{info.run_id}/artifacts"
    client.set_terminated(info.run_id, "FAILED", end_time=5678)
    again = client.get_run(info.run_id).info
    assert (again.status, again.end_time) == ("FAILED", 5678)
    client.update_run(info.run_id, status="RUNNING", name="second")
    again = client.get_run(info.run_id)
    assert again.info.run_name == again.data.tags["mlflow.runName"] == "second" and again.info.status == "RUNNING"
    client.set_tag(info.run_id, "mlflow.runName", "third")
    assert client.get_run(info.run_id).info.run_name == "third"
    for status in RunStatus.all_status():
        client.update_run(info.run_id, status=RunStatus.to_string(status))
        assert client.get_run(info.run_id).info.status == RunStatus.to_string(status)


def check_run_names():
    """A run without a name gets one; a name and a tag that disagree are refused"""
    made = client.get_run(new_run("names"))
    assert made.info.run_name and made.info.run_name == made.data.tags["mlflow.runName"]
    fails("INVALID_PARAMETER_VALUE", lambda: new_run("names", run_name="a", tags={"mlflow.runName": "b"}), "mlflow.runName")
    assert client.get_run(new_run("names", tags={"mlflow.runName": "tagged"})).info.run_name == "tagged"


def check_run_absent():
    """An unknown run does not exist, for reading and for writing"""
    absent = "0" * 32
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_run(absent), f"Run with id={absent} not found")
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.log_metric(absent, "m", 1.0))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.set_tag(absent, "t", "v"))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client._tracking_client.store.log_batch(absent, [], [], []))
    # MLflow's server does not ask whose points they are.
    assert client.get_metric_history(absent, "m") == []
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.create_run("424242"))


def check_run_delete_restore():
    """Deleting a run is soft and may be repeated; a deleted run is readable, writes to it are refused"""
    run = new_run("delete")
    client.delete_run(run)
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    for write in (
        lambda: client.log_metric(run, "m", 1.0),
        lambda: client.log_param(run, "p", "1"),
        lambda: client.set_tag(run, "t", "1"),
        lambda: client.log_batch(run, params=[Param("p", "1")]),
        lambda: client.set_terminated(run),
    ):
        fails("INVALID_PARAMETER_VALUE", write, "must be in the 'active' state")
    client.restore_run(run)
    client.log_metric(run, "m", 1.0)


# --- metrics, params, tags -----------------------------------------------------------------------------


def check_metric_latest():
    """The latest metric is the greatest by step, then timestamp, then value, whatever came last"""
    run = new_run("latest")
    points = [(1.0, 100, 5), (9.0, 200, 3), (2.0, 90, 5), (3.0, 100, 5), (0.5, 999, 4)]
    for value, timestamp, step in points:
        client.log_metric(run, "m", value, timestamp=timestamp, step=step)
    assert client.get_run(run).data.metrics == {"m": 3.0}
    client.log_batch(run, metrics=[Metric("n", 1.0, 5, 2), Metric("n", 7.0, 5, 2), Metric("n", 4.0, 5, 1)])
    assert client.get_run(run).data.metrics["n"] == 7.0


def check_metric_history():
    """The history has every point once, in order of timestamp, step and value; duplicates are silent"""
    run = new_run("history")
    points = [(3.0, 2, 1), (1.0, 1, 9), (2.0, 2, 1), (5.0, 2, 0), (1.0, 1, 9)]
    for value, timestamp, step in points + points:
        client.log_metric(run, "m", value, timestamp=timestamp, step=step)
    client.log_batch(run, metrics=[Metric("m", value, timestamp, step) for value, timestamp, step in points])
    history = [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "m")]
    assert history == [(1.0, 1, 9), (5.0, 2, 0), (2.0, 2, 1), (3.0, 2, 1)], history
    assert client.get_metric_history(run, "never") == []


def check_metric_history_pages():
    """A history longer than a page is read in pages"""
    run = new_run("long history")
    for start in range(0, 3000, 1000):
        client.log_batch(run, metrics=[Metric("m", float(i), i, i) for i in range(start, start + 1000)])
    store = client._tracking_client.store
    page = store.get_metric_history(run, "m", max_results=1100)
    values, pages = [m.value for m in page], 1
    while page.token:
        page = store.get_metric_history(run, "m", max_results=1100, page_token=page.token)
        values, pages = values + [m.value for m in page], pages + 1
    assert pages == 3 and values == [float(i) for i in range(3000)]
    assert len(client.get_metric_history(run, "m")) == 3000


def check_metric_special():
    """NaN, infinities, tiny, large and negative values and whole numbers up to 2^53 come back"""
    run = new_run("special")
    values = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "tiny": 5e-324, "large": 1.7e308, "zero": -0.0, "third": 1 / 3}
    client.log_batch(run, metrics=[Metric(key, value, 1, 0) for key, value in values.items()])
    got = client.get_run(run).data.metrics
    assert math.isnan(got["nan"]) and math.isnan(client.get_metric_history(run, "nan")[0].value)
    assert (got["inf"], got["-inf"]) == (MAX_DOUBLE, -MAX_DOUBLE)
    assert (got["tiny"], got["large"], got["third"]) == (5e-324, 1.7e308, 1 / 3)
    big = 2**53 - 1
    client.log_metric(run, "int64", 1.0, timestamp=big, step=-big)
    point = client.get_metric_history(run, "int64")[0]
    assert (point.timestamp, point.step) == (big, -big)
    client.log_metric(run, "mixed", math.nan, timestamp=1, step=1)
    client.log_metric(run, "mixed", -1.0, timestamp=1, step=1)
    assert math.isnan(client.get_run(run).data.metrics["mixed"])
    client.log_metric(run, "mixed", 1.0, timestamp=1, step=1)
    assert client.get_run(run).data.metrics["mixed"] == 1.0


def check_param_immutable():
    """A param may be logged again with the same value and not with another, alone or in a batch"""
    run = new_run("params")
    client.log_param(run, "p", 1)
    client.log_param(run, "p", "1")
    fails("INVALID_PARAMETER_VALUE", lambda: client.log_param(run, "p", "2"), "Changing param values is not allowed", "'p'")
    fails(
        "INVALID_PARAMETER_VALUE",
        lambda: client.log_batch(run, params=[Param("q", "1"), Param("p", "2")], metrics=[Metric("m", 1, 1, 0)]),
        "Changing param values is not allowed",
    )
    fails("INVALID_PARAMETER_VALUE", lambda: client.log_batch(run, params=[Param("r", "1"), Param("r", "1")]), "Duplicate parameter keys have been submitted")
    assert client.get_run(run).data.params == {"p": "1"}
    client.log_param(run, "empty", "")
    client.log_param(run, "none", None)
    assert client.get_run(run).data.params["none"] == "None"


def check_tags():
    """Tags are overwritten, of a batch the last wins, and a missing one does not exist"""
    run = new_run("tags")
    client.set_tag(run, "t", "1")
    client.set_tag(run, "t", "2")
    assert client.get_run(run).data.tags["t"] == "2"
    client.log_batch(run, tags=[RunTag("t", "3"), RunTag("t", "4"), RunTag("empty", "")])
    assert client.get_run(run).data.tags["t"] == "4"
    client.delete_tag(run, "t")
    assert "t" not in client.get_run(run).data.tags
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_tag(run, "t"), "No tag with name: t")


def check_batch_limits():
    """A batch takes 1000 metrics, 100 params, 100 tags, 1000 in all, or nothing; more is refused and leaves nothing"""
    run, store = new_run("limits"), client._tracking_client.store
    log = lambda metrics=0, params=0, tags=0: store.log_batch(
        run,
        [Metric(f"m{i}", 1.0, 1, 0) for i in range(metrics)],
        [Param(f"p{i}", "1") for i in range(params)],
        [RunTag(f"t{i}", "1") for i in range(tags)],
    )
    log()
    fails("INVALID_PARAMETER_VALUE", lambda: log(metrics=1001), "at most 1000 metrics")
    fails("INVALID_PARAMETER_VALUE", lambda: log(params=101), "at most 100 params")
    fails("INVALID_PARAMETER_VALUE", lambda: log(tags=101), "at most 100 tags")
    fails("INVALID_PARAMETER_VALUE", lambda: log(metrics=900, params=100, tags=1), "at most 1000 metrics, params, and tags")
    data = client.get_run(run).data
    assert (len(data.metrics), len(data.params)) == (0, 0)
    log(metrics=1000)
    log(params=100, tags=100)
    data = client.get_run(run).data
    assert (len(data.metrics), len(data.params), data.tags["t99"]) == (1000, 100, "1")


def check_keys_and_lengths():
    """Keys keep to MLflow's characters and paths; long values are cut as MLflow cuts them"""
    run, store = new_run("keys"), client._tracking_client.store
    for key in ("a/b c.d-e_f:g", "größe", "k" * 250):
        store.log_batch(run, [Metric(key, 1.0, 1, 0)], [Param(key, "1")], [RunTag(key, "1")])
    for key in ("a;b", "a\nb", "../up", "/root", "a//b", "./a", "k" * 251):
        metric, param = ("Metric name", "Param key") if len(key) > 250 else ("metrics[0].name", "params[1].key")
        fails("INVALID_PARAMETER_VALUE", lambda: store.log_batch(run, [Metric(key, 1.0, 1, 0)], [], []), metric)
        fails("INVALID_PARAMETER_VALUE", lambda: store.log_batch(run, [], [Param("fine", "1"), Param(key, "1")], []), param)
        fails("INVALID_PARAMETER_VALUE", lambda: store.log_batch(run, [], [], [RunTag(key, "1")]), "tags[0].key")
    store.log_batch(run, [], [Param("long", "x" * 6001)], [RunTag("long", "x" * 8001)])
    data = client.get_run(run).data
    assert (len(data.params["long"]), len(data.tags["long"])) == (6000, 8000)
    fails("INVALID_PARAMETER_VALUE", lambda: store.log_batch(run, [Metric("m", 1.0, -1, 0)], [], []), "metrics[0].timestamp")


def check_fluent():
    """The fluent calls of a training script work, nested runs and resumed runs among them"""
    mlflow.set_experiment("fluent")
    with mlflow.start_run(run_name="outer", description="what it is") as outer:
        mlflow.log_param("p", 1)
        mlflow.log_params({f"p{i}": i for i in range(150)})
        mlflow.log_metric("m", 0.5, step=3)
        mlflow.log_metrics({"a": 1.0, "b": 2.0})
        mlflow.set_tag("t", "v")
        mlflow.set_tags({"t1": "v1", "t2": "v2"})
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": [1]}, "config.yaml")
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_metric("m", 0.7)
    assert client.get_run(inner.info.run_id).data.tags["mlflow.parentRunId"] == outer.info.run_id
    done = client.get_run(outer.info.run_id)
    assert done.info.status == "FINISHED" and done.info.end_time >= done.info.start_time
    assert done.data.params["p149"] == "149" and done.data.metrics == {"m": 0.5, "a": 1.0, "b": 2.0}
    assert done.data.tags["mlflow.note.content"] == "what it is" and done.data.tags["mlflow.user"]
    with mlflow.start_run(run_id=outer.info.run_id):
        mlflow.log_metric("again", 1.0)
    assert client.get_run(outer.info.run_id).data.metrics["again"] == 1.0
    try:
        with mlflow.start_run() as broken:
            raise ValueError("the training failed")
    except ValueError:
        pass
    assert client.get_run(broken.info.run_id).info.status == "FAILED"
    assert mlflow.artifacts.load_text(f"{outer.info.artifact_uri}/notes/hello.txt") == "hello"


# --- search --------------------------------------------------------------------------------------------


def searched():
    found = client.get_experiment_by_name("searched")
    if found:
        return found.experiment_id
    experiment = new_experiment("searched")
    for i in range(6):
        run = client.create_run(experiment, start_time=1000 + i // 2, run_name=f"Run {i}").info.run_id
        client.log_param(run, "lr", ["0.1", "0.01", "LOW"][i % 3])
        client.log_metric(run, "acc", [0.1, 0.5, math.nan, 0.9, 0.3, 0.5][i])
        client.log_metric(run, "with space", i)
        client.set_tag(run, "kind", ["Alpha", "beta", "al_pha"][i % 3])
        client.set_tag(run, "dotted.key", str(i))
        if i < 3:
            client.log_metric(run, "half", i)
            client.set_tag(run, "half", str(i))
            client.log_param(run, "half", i)
        client.set_terminated(run, ["FINISHED", "FAILED"][i % 2], end_time=2000 + i)
    return experiment


def runs(filter_string="", order_by=("attributes.run_name ASC",), **more):
    page = client.search_runs([searched()], filter_string, order_by=list(order_by), **more)
    return "".join(r.info.run_name[-1] for r in page)


def check_search_filters():
    """Runs are found by attributes, metrics, params and tags, joined by AND"""
    cases = {
        "": "012345",
        "metrics.acc > 0.3": "135",
        "metrics.acc >= 0.3 and metric.acc < 0.9": "145",
        "metrics.acc = 0.5": "15",
        "metrics.acc != 0.5": "0234",
        "metrics.`with space` <= 1": "01",
        'metrics."with space" > 4.5': "5",
        "metrics.acc > -1e3 AND metrics.acc < .2": "02",
        "params.lr = '0.1'": "03",
        "param.lr != '0.1'": "1245",
        'parameters.lr = "0.01"': "14",
        "params.lr LIKE 'L%'": "25",
        "params.lr LIKE 'l%'": "",
        "params.lr ILIKE 'l_w'": "25",
        "params.lr like '0.%'": "0134",
        "tags.kind = 'Alpha'": "03",
        "tags.kind LIKE 'al%'": "25",
        "tags.kind ILIKE 'AL%'": "0235",
        "tags.kind LIKE 'al_pha'": "25",
        "tags.kind LIKE '%et%'": "14",
        "tag.`dotted.key` = '4'": "4",
        "tags.dotted.key = '4'": "4",
        "params.half != '1'": "02",
        "tags.half != '1'": "02",
        "metrics.half != 1": "02",
        "tags.half IS NULL": "345",
        "tags.half IS NOT NULL": "012",
        "params.half IS NULL and tags.kind = 'beta'": "4",
        "attributes.status = 'FINISHED'": "024",
        "status != 'FINISHED'": "135",
        "attribute.status ILIKE 'f%' AND run.status LIKE 'FAIL%'": "135",
        "run_name = 'Run 3'": "3",
        "attributes.`run name` LIKE 'Run %' and attr.run_name != 'Run 0'": "12345",
        "start_time >= 1001 and created < 1002": "23",
        "end_time > 2003.5": "45",
        "attributes.end_time > 99999999999999999999": "",
        "tags.kind = 'it''s'": None,
    }
    for text, expected in cases.items():
        if expected is None:
            continue
        got = runs(text)
        assert got == expected, f"{text!r}: {got} where {expected} was expected"
    ids = [r.info.run_id for r in client.search_runs([searched()], order_by=["attributes.run_name ASC"])]
    assert runs(f"run_id IN ('{ids[0]}', '{ids[4]}')") == "04"
    assert runs(f"attributes.run_id NOT IN ('{ids[0]}','{ids[4]}')") == "1235"
    assert runs(f"run_id = '{ids[2]}'") == "2"
    assert runs(f"run_id IN ('{ids[0].upper()}')") == ("" if ids[0].upper() != ids[0] else "0")


def check_search_errors():
    """What the language does not have is refused in MLflow's words"""
    cases = {
        "metrics.acc > 'high'": "Expected numeric value type for metric",
        "metrics.acc LIKE 0.5": "Invalid comparator",
        "metrics.acc LIKE 'high'": "Expected numeric value type for metric",
        "params.lr > '0.1'": "Invalid comparator",
        "params.lr = 0.1": "Expected a quoted string value for",
        "tags.kind = beta": "Parameter value is either not quoted",
        "attributes.status = FINISHED": "Parameter value is either not quoted",
        "attributes.colour = 'red'": "Invalid attribute key",
        "wrong.key = 'a'": "Invalid entity type",
        "start_time = 'now'": "Expected numeric value type for numeric attribute",
        "status IN ('FINISHED')": "Only ['run_id'] attributes support comparison with a list",
        "metrics.acc > 0.1 OR metrics.acc < 0": "Invalid clause(s) in filter string",
        "(metrics.acc > 0.1)": "Invalid clause(s) in filter string",
        "metrics.acc": "Invalid clause(s) in filter string",
        "metrics.acc >": "Invalid clause(s) in filter string",
        "metrics.acc > 0.1; metrics.acc < 1": "Search filter contained multiple expression",
        "metrics.acc IS NULL": "IS NULL",
        "dataset.colour = 'red'": "Invalid dataset key",
    }
    for text, message in cases.items():
        fails("INVALID_PARAMETER_VALUE", lambda: runs(text), message)
    for order in ("metrics.acc SIDEWAYS", "metrics.acc ASC NULLS", "attributes.colour"):
        fails("INVALID_PARAMETER_VALUE", lambda: runs("", order_by=[order]), "order_by" if "colour" not in order else "Invalid attribute key")
    fails("INTERNAL_ERROR", lambda: runs("", order_by=["metrics.acc", "metrics.acc DESC"]), "duplicate fields")
    fails("INVALID_PARAMETER_VALUE", lambda: client.search_runs([searched()], max_results=50_001))
    fails("INVALID_PARAMETER_VALUE", lambda: client.search_runs([searched()], page_token="not a token"))


def check_search_order():
    """Values come in order, then NaN, then runs without the key, both ways; ties by start time, newest first"""
    assert runs(order_by=["metrics.acc ASC", "attributes.run_name"]) == "041532"
    assert runs(order_by=["metrics.acc DESC", "attributes.run_name"]) == "315402"
    assert runs(order_by=["metrics.half ASC", "run_name"]) == "012345"
    assert runs(order_by=["metrics.half DESC", "run_name DESC"]) == "210543"
    assert runs(order_by=["params.lr ASC", "run_name"]) == "140325"
    assert runs(order_by=["tags.kind DESC", "run_name"]) == "142503"
    assert runs(order_by=["attributes.start_time ASC", "run_name ASC"]) == "012345"
    by_default = runs(order_by=[])
    assert [set(by_default[i : i + 2]) for i in (0, 2, 4)] == [{"4", "5"}, {"2", "3"}, {"0", "1"}], by_default
    assert by_default == runs(order_by=[])


def check_search_pages():
    """A token comes only when more rows follow, and pages join without gaps"""
    experiment, token, seen = searched(), None, ""
    for expected in ("01", "23", "45"):
        page = client.search_runs([experiment], order_by=["run_name"], max_results=2, page_token=token)
        token, seen = page.token, seen + "".join(r.info.run_name[-1] for r in page)
        assert seen.endswith(expected)
    assert seen == "012345" and not token
    assert not client.search_runs([experiment], max_results=6).token
    assert client.search_runs([], "") == []
    frame = mlflow.search_runs([experiment], output_format="list")
    assert len(frame) == 6


def check_search_views():
    """Deleted runs are found when asked for"""
    experiment = new_experiment("views")
    kept, dropped = client.create_run(experiment).info.run_id, client.create_run(experiment).info.run_id
    client.delete_run(dropped)
    found = lambda view: {r.info.run_id for r in client.search_runs([experiment], run_view_type=view)}
    assert found(ViewType.ACTIVE_ONLY) == {kept}
    assert found(ViewType.DELETED_ONLY) == {dropped}
    assert found(ViewType.ALL) == {kept, dropped}


# --- inputs --------------------------------------------------------------------------------------------


def check_inputs():
    """Datasets are logged once per run, carry their context, and are found by it"""
    experiment = new_experiment("inputs")
    run, other = client.create_run(experiment, run_name="0").info.run_id, client.create_run(experiment, run_name="1").info.run_id
    data = lambda name, digest: Dataset(name, digest, "local", json.dumps({"uri": "x"}), schema='{"s":1}', profile='{"rows":2}')
    log = lambda run, name, digest, context: client.log_inputs(run, [DatasetInput(data(name, digest), [InputTag("mlflow.data.context", context)])])
    log(run, "flights", "d1", "training")
    log(run, "flights", "d1", "training")
    log(run, "weather", "d2", "it's \"50%\"")
    log(other, "flights", "d3", "eval_uation")
    inputs = client.get_run(run).inputs.dataset_inputs
    assert [(i.dataset.name, i.dataset.digest, i.tags[0].value) for i in inputs] == [("flights", "d1", "training"), ("weather", "d2", "it's \"50%\"")]
    assert (inputs[0].dataset.source_type, inputs[0].dataset.schema, inputs[0].dataset.profile) == ("local", '{"s":1}', '{"rows":2}')
    found = lambda text: "".join(r.info.run_name for r in client.search_runs([experiment], text, order_by=["run_name"]))
    assert found("dataset.name = 'flights'") == "01"
    assert found("datasets.digest = 'd2'") == "0"
    assert found("dataset.context = 'training'") == "0"
    assert found("dataset.context LIKE 'eval%'") == "1"
    assert found("dataset.context ILIKE 'EVAL%'") == "1"
    assert found("dataset.name IN ('weather', 'other')") == "0"
    assert found("dataset.context != 'training'") == "01"
    assert found("dataset.context = 'eval%'") == ""
    assert [len(r.inputs.dataset_inputs) for r in client.search_runs([experiment], order_by=["run_name"])] == [2, 1]


# --- artifacts -----------------------------------------------------------------------------------------


def check_artifacts():
    """Files go up, are listed folder by folder, come down byte for byte, are overwritten and deleted"""
    run = client.get_run(new_run("artifacts"))
    run_id = run.info.run_id
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "deep" / "er").mkdir(parents=True)
        binary = os.urandom(300_000)
        (root / "data.bin").write_bytes(binary)
        (root / "empty.txt").write_bytes(b"")
        (root / "deep" / "ünï cödé & 100%.txt").write_text("umlauts")
        (root / "deep" / "er" / "x.json").write_text("{}")
        client.log_artifacts(run_id, str(root), "all")
        client.log_artifact(run_id, str(root / "data.bin"))
        listed = lambda path=None: [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run_id, path)]
        assert listed() == [("all", True, None), ("data.bin", False, 300_000)], listed()
        assert listed("all") == [("all/data.bin", False, 300_000), ("all/deep", True, None), ("all/empty.txt", False, 0)], listed("all")
        assert [p for p, _, _ in listed("all/deep")] == ["all/deep/er", "all/deep/ünï cödé & 100%.txt"]
        assert listed("all/data.bin") in ([], [("all/data.bin", False, 300_000)])
        assert listed("nowhere") == []
        down = Path(client.download_artifacts(run_id, "all", dst_path=str(root)))
        assert (down / "data.bin").read_bytes() == binary and (down / "empty.txt").read_bytes() == b""
        assert (down / "deep" / "ünï cödé & 100%.txt").read_text() == "umlauts"
        (root / "data.bin").write_bytes(b"second")
        client.log_artifact(run_id, str(root / "data.bin"))
        assert Path(client.download_artifacts(run_id, "data.bin", dst_path=str(root / "deep"))).read_bytes() == b"second"
        try:
            client.download_artifacts(run_id, "absent.txt", dst_path=str(root))
            raise AssertionError("an absent file came down")
        except (MlflowException, requests.HTTPError, OSError):
            pass
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("all")
    assert [f.path for f in client.list_artifacts(run_id)] == ["data.bin"]


def check_artifacts_rest():
    """artifacts/list answers paths from the root of the run and the root itself"""
    run = client.get_run(new_run("artifacts rest"))
    client.log_text(run.info.run_id, "x", "a/b/c.txt")
    ask = lambda **query: requests.get(f"{URL}/api/2.0/mlflow/artifacts/list", {"run_id": run.info.run_id, **query}, timeout=10).json()
    assert ask() == {"root_uri": run.info.artifact_uri, "files": [{"path": "a", "is_dir": True}]}
    assert ask(path="a/b")["files"] == [{"path": "a/b/c.txt", "is_dir": False, "file_size": 1}]
    assert ask(path="none") == {"root_uri": run.info.artifact_uri}


# --- logged models and the registry --------------------------------------------------------------------


def onnx_model(matrix=False):
    from onnx import TensorProto, helper

    shape = [None, 2] if matrix else [None, 1]
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["score"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def check_log_model():
    """log_model makes a logged model that is ready, linked to its run, with its files and its metrics"""
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        mlflow.log_params({f"p{i}": i for i in range(120)})
        mlflow.log_metric("loss", 0.25, step=0)
        mlflow.log_metric("loss", 0.5, step=2)
        info = mlflow.onnx.log_model(onnx_model(), name="model", pip_requirements=[], step=2)
        mlflow.log_metric("of_model", 0.75, step=2, model_id=info.model_id)
    model = client.get_logged_model(info.model_id)
    assert (str(model.status), model.name, model.source_run_id) == ("READY", "model", run.info.run_id)
    assert model.artifact_location == f"mlflow-artifacts:/{run.info.experiment_id}/models/{info.model_id}/artifacts"
    assert len(model.params) == 120 and model.params["p119"] == "119"
    metrics = {(m.key, m.value, m.step, m.run_id) for m in model.metrics}
    assert ("of_model", 0.75, 2, run.info.run_id) in metrics and ("loss", 0.5, 2, run.info.run_id) in metrics, metrics
    outputs = client.get_run(run.info.run_id).outputs.model_outputs
    assert [(o.model_id, o.step) for o in outputs] == [(info.model_id, 2)]
    assert [len(r.outputs.model_outputs) for r in client.search_runs([run.info.experiment_id], f"run_id = '{run.info.run_id}'")] == [1]
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 2, "log_model sends points again"
    files = {f.path for f in client.list_logged_model_artifacts(info.model_id)} if hasattr(client, "list_logged_model_artifacts") else {"MLmodel"}
    assert "MLmodel" in files
    loaded = mlflow.onnx.load_model(f"models:/{info.model_id}")
    assert loaded.graph.name == "tiny"
    by_run = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert abs(float(np.asarray(by_run.predict(np.zeros((1, 1), np.float32))["score"])[0][0]) - 0.5) < 1e-6


def check_logged_model_calls():
    """Logged models are created, tagged, given params, finalised, found and deleted"""
    experiment = new_experiment("logged models")
    made = [client.create_logged_model(experiment, f"m{i}", params={"i": str(i)}, tags={"t": str(i % 2)}, model_type="tree") for i in range(4)]
    assert str(made[0].status) == "PENDING" and made[0].model_id.startswith("m-") and len(made[0].model_id) == 34
    client.set_logged_model_tags(made[0].model_id, {"a": "1", "b": "2"})
    client.delete_logged_model_tag(made[0].model_id, "a")
    client.log_model_params(made[0].model_id, {f"p{i}": str(i) for i in range(130)})
    got = client.get_logged_model(made[0].model_id)
    assert got.tags["b"] == "2" and "a" not in got.tags and len(got.params) == 131
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_logged_model_tag(made[0].model_id, "a"))
    client.finalize_logged_model(made[1].model_id, "FAILED")
    assert str(client.get_logged_model(made[1].model_id).status) == "FAILED"
    run = client.create_run(experiment).info.run_id
    for i, model in enumerate(made):
        if i != 2:
            client.log_metric(run, "acc", [0.3, 0.9, 0, 0.6][i], model_id=model.model_id, dataset_name="d", dataset_digest=str(i), step=1)
    found = lambda text=None, **more: "".join(m.name[-1] for m in client.search_logged_models([experiment], text, **more))
    by_name = [{"field_name": "name", "ascending": True}]
    assert found(order_by=by_name) == "0123"
    assert found("name = 'm1'") == "1"
    assert found("metrics.acc > 0.5", order_by=by_name) == "13"
    assert found("tags.t = '1' AND params.i != '1'") == "3"
    assert found("name LIKE 'm%' AND model_type = 'tree'", order_by=by_name) == "0123"
    assert found("attributes.name IN ('m0', 'm3')", order_by=by_name) == "03"
    assert found(f"model_id = '{made[2].model_id}'") == "2"
    assert found("creation_timestamp > 0 AND last_updated_timestamp > 0", order_by=by_name) == "0123"
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False}]) == "1302"
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": True, "dataset_name": "d", "dataset_digest": "3"}])[0] == "3"
    assert found(datasets=[{"dataset_name": "d", "dataset_digest": "1"}]) == "1"
    assert found("metrics.acc > 0.1", datasets=[{"dataset_name": "d", "dataset_digest": "3"}]) == "3"
    first = client.search_logged_models([experiment], order_by=by_name, max_results=3)
    rest = client.search_logged_models([experiment], order_by=by_name, max_results=3, page_token=first.token)
    assert [len(first), len(rest), rest.token or None] == [3, 1, None]
    fails("INVALID_PARAMETER_VALUE", lambda: found("wrong.key = 'x'"), "Invalid entity type")
    client.delete_logged_model(made[3].model_id)
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model(made[3].model_id))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model("m-" + "0" * 32))
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_logged_model(experiment, "a/b"))
    assert found(order_by=by_name) == "012"


def check_register():
    """A script registers what it logged, sets an alias and loads the model by it"""
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        info = mlflow.onnx.log_model(onnx_model(), name="model", pip_requirements=[], registered_model_name="tiny")
    assert int(info.registered_model_version) == 1
    version = client.get_model_version("tiny", "1")
    got = (str(version.version), version.status, version.run_id)
    assert got == ("1", "READY", run.info.run_id), got
    again = mlflow.register_model(f"models:/{info.model_id}", "tiny", tags={"by": "hand"})
    assert str(again.version) == "2" and client.get_model_version("tiny", "2").tags == {"by": "hand"}
    by_run = mlflow.register_model(f"runs:/{run.info.run_id}/model", "tiny")
    assert str(by_run.version) == "3"
    client.set_registered_model_alias("tiny", "candidate", "1")
    assert str(client.get_model_version_by_alias("tiny", "candidate").version) == "1"
    assert client.get_registered_model("tiny").aliases == {"candidate": "1"}, client.get_registered_model("tiny").aliases
    assert client.get_model_version("tiny", "1").aliases == ["candidate"]
    for uri in ("models:/tiny@candidate", "models:/tiny/2", "models:/tiny/3", "models:/tiny/latest"):
        assert mlflow.onnx.load_model(uri).graph.name == "tiny", uri
    assert [str(v.version) for v in client.get_latest_versions("tiny")] == ["3"]
    links = json.loads(client.get_logged_model(info.model_id).tags["mlflow.modelVersions"])
    assert {"name": "tiny", "version": 1} in [{**entry, "version": int(entry["version"])} for entry in links]


def check_register_unservable():
    """What the serving runtime cannot take is registered all the same, and says so"""
    mlflow.set_experiment("models")
    with mlflow.start_run():
        info = mlflow.onnx.log_model(onnx_model(matrix=True), name="model", pip_requirements=[], registered_model_name="matrix")
    version = client.get_model_version("matrix", info.registered_model_version)
    assert version.status == "READY" and "Not served here" in version.status_message


def check_sklearn_model():
    """A scikit-learn model is logged and loaded, and registered without being servable"""
    from sklearn.linear_model import LogisticRegression

    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    fitted = LogisticRegression().fit(x, [0, 0, 1, 1])
    mlflow.set_experiment("models")
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(fitted, name="sk", registered_model_name="sk", pip_requirements=[], serialization_format="cloudpickle")
    loaded = mlflow.sklearn.load_model(f"models:/sk/{info.registered_model_version}")
    assert list(loaded.predict(x)) == [0, 0, 1, 1]


def check_registry_lifecycle():
    """Stages, copies, marks of what executes on load, and deletion are as the client expects them"""
    from sklearn.linear_model import LogisticRegression

    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(
            LogisticRegression().fit(x, [0, 0, 1, 1]), name="sk", registered_model_name="staged", pip_requirements=[], serialization_format="pickle"
        )
    version = client.get_model_version("staged", "1")
    assert version.tags == {}, version.tags
    assert version.status_message.endswith("Loading it runs code (safe)."), version.status_message
    mlflow.register_model(f"runs:/{run.info.run_id}/sk", "staged")
    client.transition_model_version_stage("staged", "1", "Production")
    client.transition_model_version_stage("staged", "2", "Production", archive_existing_versions=True)
    stages = {str(v.version): v.current_stage for v in client.search_model_versions("name = 'staged'")}
    assert stages == {"1": "Archived", "2": "Production"}, stages
    copied = client.copy_model_version("models:/staged/1", "copied")
    assert copied.source == "models:/staged/1" and copied.run_id == run.info.run_id
    client.delete_model_version("staged", "1")
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("staged", "1"))
    for uri in ("models:/copied/1", "models:/staged/Production", "models:/staged/latest"):
        assert list(mlflow.pyfunc.load_model(uri).predict(x)) == [0, 0, 1, 1], uri
    client.delete_registered_model("staged")
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("staged"))


def check_prompts():
    """Prompts are registered, aliased, loaded and found, and are no models"""
    first = mlflow.genai.register_prompt("greeting", "Hi {{name}}", tags={"by": "hand"})
    mlflow.genai.register_prompt("greeting", [{"role": "user", "content": "Hello {{name}}"}])
    assert first.version == 1
    mlflow.genai.set_prompt_alias("greeting", alias="live", version=1)
    assert mlflow.genai.load_prompt("prompts:/greeting@live").template == "Hi {{name}}"
    assert mlflow.genai.load_prompt("greeting", version=2).template[0]["content"] == "Hello {{name}}"
    assert [p.name for p in mlflow.genai.search_prompts("name = 'greeting'")] == ["greeting"]
    assert "greeting" not in [m.name for m in client.search_registered_models()]
    fails("RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model("greeting"), "already taken by a prompt")


def check_registry_calls():
    """Registered models are created, described, tagged, aliased and found; absent ones are told apart"""
    client.create_registered_model("plain", tags={"a": "1"}, description="what it is")
    model = client.get_registered_model("plain")
    assert (model.name, model.description, model.tags, model.latest_versions, model.aliases) == ("plain", "what it is", {"a": "1"}, [], {})
    fails("RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model("plain"), "already exists")
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_registered_model("a/b"))
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_registered_model("a:b"))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("absent"))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("plain", "1"))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version_by_alias("absent", "a"))
    fails("INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias("plain", "a"), "Registered model alias a not found.")
    client.set_registered_model_tag("plain", "b", "2")
    client.delete_registered_model_tag("plain", "a")
    client.delete_registered_model_tag("plain", "never")
    client.delete_registered_model_alias("plain", "never")
    assert client.get_registered_model("plain").tags == {"b": "2"}
    client.update_registered_model("plain", "new words")
    for source in ("s3://bucket/model", "https://host/model"):
        client.create_model_version("plain", source, description="d", run_link="https://ci/1", tags={"k": "v"})
    version = client.get_model_version("plain", "2")
    assert (version.source, version.description, version.run_link, version.tags) == ("https://host/model", "d", "https://ci/1", {"k": "v"})
    assert client.get_model_version_download_uri("plain", "1") == "s3://bucket/model"
    client.set_model_version_tag("plain", "2", "l", "w")
    client.delete_model_version_tag("plain", "2", "k")
    client.delete_model_version_tag("plain", "2", "k")
    client.update_model_version("plain", "2", "e")
    version = client.get_model_version("plain", "2")
    assert (version.tags, version.description) == ({"l": "w"}, "e")
    for alias in ("a", "b"):
        client.set_registered_model_alias("plain", alias, "2")
    client.set_registered_model_alias("plain", "a", "1")
    assert client.get_registered_model("plain").aliases == {"a": "1", "b": "2"}
    client.delete_registered_model_alias("plain", "a")
    fails("INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias("plain", "a"))
    for alias in ("latest", "LATEST", "v1", "V22", "a b", "a/b", "x" * 256):
        fails("INVALID_PARAMETER_VALUE", lambda: client.set_registered_model_alias("plain", alias, "1"))
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.set_registered_model_alias("plain", "c", "9"))
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_model_version("plain", "/etc/passwd"), "To use a local path as a model version source")
    fails("INVALID_PARAMETER_VALUE", lambda: client.create_model_version("plain", "file:///etc"), "To use a local path as a model version source")
    for source in ("mlflow-artifacts:/../../etc", "s3://bucket/%2e%2e/%252e%252e/x", "https://host/a/../../b"):
        fails("INVALID_PARAMETER_VALUE", lambda: client.create_model_version("plain", source), "Invalid model version source")


def check_registry_search():
    """Models and versions are searched, ordered and paged, and prompts stay hidden unless asked for"""
    for name in ("find-a", "find-b", "Find-c"):
        client.create_registered_model(name, tags={"group": "find", "name": name})
        for i in range(2):
            client.create_model_version(name, f"s3://bucket/{name}/{i}", run_id=None, tags={"i": str(i)})
    tags = [{"key": "group", "value": "find"}, {"key": "mlflow.prompt.is_prompt", "value": "true"}]
    requests.post(f"{URL}/api/2.0/mlflow/registered-models/create", json={"name": "find-prompt", "tags": tags}, timeout=10).raise_for_status()
    names = lambda text=None, **more: [m.name for m in client.search_registered_models(text, **more)]
    assert names("tags.group = 'find'") == ["Find-c", "find-a", "find-b"]
    assert names("name LIKE 'find-%'", order_by=["name DESC"]) == ["find-b", "find-a"]
    assert names("name ILIKE 'FIND-%' AND tags.name != 'find-a'") == ["Find-c", "find-b"]
    assert names("tags.group = 'find' AND tags.`mlflow.prompt.is_prompt` = 'true'") == ["find-prompt"]
    assert names("tags.group = 'find' AND tags.`mlflow.prompt.is_prompt` != 'true'") == ["Find-c", "find-a", "find-b"]
    first = client.search_registered_models("tags.group = 'find'", max_results=2)
    rest = client.search_registered_models("tags.group = 'find'", max_results=2, page_token=first.token)
    assert [len(first), len(rest), rest.token or None] == [2, 1, None]
    assert first[0].latest_versions[0].version == "2"
    fails("INVALID_PARAMETER_VALUE", lambda: names("colour = 'red'"), "Invalid attribute key")
    fails("INVALID_PARAMETER_VALUE", lambda: client.search_registered_models(max_results=1001))
    versions = lambda text, **more: [f"{v.name}/{v.version}" for v in client.search_model_versions(text, **more)]
    assert versions("name = 'find-a'", order_by=["version_number ASC"]) == ["find-a/1", "find-a/2"]
    assert versions("name = 'find-a' AND version_number > 1") == ["find-a/2"]
    assert versions("name LIKE 'find-%' AND tags.i = '0'", order_by=["name ASC"]) == ["find-a/1", "find-b/1"]
    assert versions("source_path = 's3://bucket/find-b/1'") == ["find-b/2"]
    assert versions("name = 'none'") == []


def check_server():
    """The server looks like MLflow's to its clients: version, health, unknown routes"""
    assert requests.get(f"{URL}/health", timeout=10).text == "OK"
    major, minor, *_ = requests.get(f"{URL}/version", timeout=10).text.split(".")
    assert (int(major), int(minor)) >= (3, 4)
    unknown = requests.post(f"{URL}/api/2.0/mlflow/no/such", json={}, timeout=10)
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def main():
    wanted = sys.argv[1:]
    for name, check in list(globals().items()):
        if not name.startswith("check_") or (wanted and name not in wanted):
            continue
        began = time.perf_counter()
        try:
            check()
            error = None
        except BaseException:  # noqa: BLE001 - the other side reports it
            error = traceback.format_exc()
        print(json.dumps({"check": check.__doc__, "error": error, "seconds": round(time.perf_counter() - began, 3)}), flush=True)


if __name__ == "__main__":
    main()
