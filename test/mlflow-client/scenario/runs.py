"""Experiments and runs by the fluent calls."""

import os
import time

import mlflow
from harness import client, experiment, fails, in_experiment, raises, unique
from mlflow.entities import ViewType


def check_set_experiment():
    """set_experiment makes an experiment once, finds it again, and takes its id"""
    name = unique("fluent")
    made = mlflow.set_experiment(name)
    assert mlflow.set_experiment(name).experiment_id == made.experiment_id
    assert mlflow.set_experiment(experiment_id=made.experiment_id).name == name
    assert mlflow.get_experiment(made.experiment_id).name == mlflow.get_experiment_by_name(name).name == name


def check_set_experiment_deleted():
    """A deleted experiment is not chosen, its name stays taken, and restored it is there again"""
    name = unique("gone")
    made = mlflow.create_experiment(name, tags={"a": "b"})
    mlflow.delete_experiment(made)
    raises(mlflow.MlflowException, lambda: mlflow.set_experiment(name))
    fails("RESOURCE_ALREADY_EXISTS", lambda: mlflow.create_experiment(name))
    client.restore_experiment(made)
    assert mlflow.set_experiment(name).tags == {"a": "b"}


def check_experiment_tags_fluent():
    """Tags of the active experiment are set one by one and together"""
    made = mlflow.set_experiment(unique("tags")).experiment_id
    mlflow.set_experiment_tag("one", "1")
    mlflow.set_experiment_tags({"two": "2", "drei": "süß"})
    assert mlflow.get_experiment(made).tags == {"one": "1", "two": "2", "drei": "süß"}


def check_experiment_from_environment():
    """MLFLOW_EXPERIMENT_NAME chooses the experiment of a run"""
    name = unique("environment")
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ["MLFLOW_EXPERIMENT_NAME"] = name
    try:
        with mlflow.start_run() as run:
            pass
    finally:
        del os.environ["MLFLOW_EXPERIMENT_NAME"]
        mlflow.tracking.fluent._active_experiment_id = None
    assert client.get_experiment(run.info.experiment_id).name == name


def check_search_experiments():
    """Experiments are found by name and tag in order, page after page"""
    group = unique("group")
    for i in range(7):
        mlflow.create_experiment(f"{group}-{i}", tags={"group": group, "even": str(i % 2 == 0)})
    found = [e.name[-1] for e in mlflow.search_experiments(filter_string=f"tags.group = '{group}'", order_by=["name DESC"])]
    assert found == list("6543210"), found
    found = [e.name[-1] for e in mlflow.search_experiments(filter_string=f"name LIKE '{group}%' AND tags.even = 'True'", order_by=["name"], max_results=3)]
    assert found == list("024"), found
    pages, token = [], None
    while True:
        page = client.search_experiments(filter_string=f"tags.group = '{group}'", max_results=3, page_token=token)
        pages.append(len(page))
        token = page.token
        if not token:
            break
    assert pages == [3, 3, 1], pages


def check_run_finishes():
    """A run of a with statement is FINISHED afterwards and has its times, user, source and name"""
    in_experiment("runs")
    with mlflow.start_run() as run:
        assert mlflow.active_run().info.run_id == run.info.run_id
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
    ended = mlflow.get_run(run.info.run_id)
    assert ended.info.status == "FINISHED" and ended.info.start_time <= ended.info.end_time <= time.time() * 1000 + 5000
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName"} <= set(ended.data.tags), ended.data.tags
    assert ended.info.run_name == ended.data.tags["mlflow.runName"] and mlflow.active_run() is None
    assert mlflow.last_active_run().info.run_id == run.info.run_id


def check_run_fails():
    """An exception inside a run makes it FAILED, and goes on to the caller"""
    in_experiment("runs")

    def script():
        with mlflow.start_run() as run:
            mlflow.log_metric("before", 1)
            seen.append(run.info.run_id)
            raise ValueError("of the script")

    seen = []
    raises(ValueError, script)
    ended = client.get_run(seen[0])
    assert (ended.info.status, ended.data.metrics) == ("FAILED", {"before": 1.0}) and ended.info.end_time


def check_run_ends_as_told():
    """end_run takes a status, and set_terminated another one"""
    in_experiment("runs")
    run = mlflow.start_run().info.run_id
    mlflow.end_run("KILLED")
    assert client.get_run(run).info.status == "KILLED"
    client.set_terminated(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"


def check_run_described():
    """Name, tags and description given at the start are there; the name is changed afterwards"""
    in_experiment("runs")
    with mlflow.start_run(run_name="Lauf ü", tags={"a": "1"}, description="**what** it is") as run:
        mlflow.set_tag("mlflow.runName", "renamed")
    data = client.get_run(run.info.run_id)
    assert run.info.run_name == "Lauf ü"
    assert (data.info.run_name, data.data.tags["a"], data.data.tags["mlflow.note.content"]) == ("renamed", "1", "**what** it is")


def check_run_resumed():
    """A run is resumed by its id, logs on, and ends once more with its first beginning"""
    in_experiment("runs")
    with mlflow.start_run(run_name="resumed") as run:
        mlflow.log_param("p", 1)
        mlflow.log_metric("loss", 3.0, step=0)
    before = client.get_run(run.info.run_id).info
    with mlflow.start_run(run_id=run.info.run_id, tags={"again": "yes"}):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_param("p", 1)
        mlflow.log_param("q", 2)
        mlflow.log_metric("loss", 2.0, step=1)
    after = client.get_run(run.info.run_id)
    assert after.info.status == "FINISHED" and after.info.start_time == before.start_time and after.info.end_time >= before.end_time
    assert (after.data.params, after.data.metrics, after.data.tags["again"]) == ({"p": "1", "q": "2"}, {"loss": 2.0}, "yes")
    assert [p.value for p in client.get_metric_history(run.info.run_id, "loss")] == [3.0, 2.0] and after.info.run_name == "resumed"


def check_run_resumed_by_environment():
    """MLFLOW_RUN_ID resumes a run, as launchers do it"""
    in_experiment("runs")
    made = client.create_run(experiment("runs")).info.run_id
    os.environ["MLFLOW_RUN_ID"] = made
    try:
        with mlflow.start_run() as run:
            mlflow.log_metric("m", 1)
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)
    assert run.info.run_id == made and client.get_run(made).data.metrics == {"m": 1.0}


def check_run_deleted_is_not_resumed():
    """A deleted run is not resumed, and restored it is"""
    in_experiment("runs")
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.info.run_id)
    raises(mlflow.MlflowException, lambda: mlflow.start_run(run_id=run.info.run_id))
    client.restore_run(run.info.run_id)
    with mlflow.start_run(run_id=run.info.run_id):
        pass


def check_runs_nested():
    """Nested runs name their parent, three levels deep, and are found by it"""
    in_experiment("nested")
    raises(Exception, lambda: [mlflow.start_run(), mlflow.start_run()])
    mlflow.end_run()
    with mlflow.start_run() as parent:
        for i in range(3):
            with mlflow.start_run(nested=True, run_name=f"child {i}") as child:
                mlflow.log_metric("m", i)
                with mlflow.start_run(nested=True) as grandchild:
                    mlflow.log_param("i", i)
    found = client.search_runs([experiment("nested")], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["metrics.m DESC"])
    assert [r.info.run_name for r in found] == ["child 2", "child 1", "child 0"]
    assert mlflow.get_parent_run(grandchild.info.run_id).info.run_id == child.info.run_id
    assert client.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    assert mlflow.get_parent_run(parent.info.run_id) is None


def check_run_of_a_parent_elsewhere():
    """A child is started under a parent that another process has open"""
    in_experiment("nested")
    parent = client.create_run(experiment("nested")).info.run_id
    with mlflow.start_run(parent_run_id=parent) as child:
        pass
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent


def check_search_runs_as_a_frame():
    """search_runs answers a frame with a column for each metric, param and tag"""
    in_experiment(unique("frame"))
    for i in range(4):
        with mlflow.start_run(run_name=f"r{i}"):
            mlflow.log_params({"depth": i, "kind": "tree"})
            mlflow.log_metric("acc", i / 10)
    frame = mlflow.search_runs(filter_string="metrics.acc > 0.05 AND params.kind = 'tree'", order_by=["metrics.acc DESC"])
    assert list(frame["params.depth"]) == ["3", "2", "1"] and list(frame["metrics.acc"]) == [0.3, 0.2, 0.1]
    assert {"run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time", "tags.mlflow.runName"} <= set(frame.columns)
    assert set(frame["status"]) == {"FINISHED"} and str(frame["start_time"].dt.tz) == "UTC"
    runs = mlflow.search_runs(filter_string="attributes.run_name = 'r2'", output_format="list")
    assert [r.data.params["depth"] for r in runs] == ["2"]
    assert len(mlflow.search_runs(max_results=2)) == 2 and len(mlflow.search_runs(filter_string="params.kind = 'none'")) == 0


def check_search_runs_over_experiments():
    """Runs of several experiments, by their names, are one list; deleted ones appear when asked for"""
    names = [unique("several") for _ in range(3)]
    for name in names:
        mlflow.set_experiment(name)
        with mlflow.start_run():
            mlflow.log_metric("m", 1)
    frame = mlflow.search_runs(experiment_names=names)
    assert sorted(frame["experiment_id"]) == sorted(mlflow.get_experiment_by_name(n).experiment_id for n in names)
    mlflow.delete_run(frame["run_id"][0])
    found = lambda view: len(mlflow.search_runs(experiment_names=names, run_view_type=view))
    assert [found(v) for v in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)] == [2, 1, 3]


def check_search_runs_in_pages():
    """Pages of runs follow one another without a gap or a run twice"""
    made = mlflow.create_experiment(unique("pages"))
    runs = [client.create_run(made, start_time=i + 1).info.run_id for i in range(25)]
    seen, token = [], None
    while True:
        page = client.search_runs([made], order_by=["attributes.start_time ASC"], max_results=10, page_token=token)
        seen += [r.info.run_id for r in page]
        token = page.token
        if not token:
            break
    assert seen == runs


def check_search_runs_refused():
    """A filter that is wrong says what is wrong with it"""
    in_experiment("runs")
    search = lambda text: mlflow.search_runs(filter_string=text)
    fails("INVALID_PARAMETER_VALUE", lambda: search("metrics.acc = 'x'"))
    fails("INVALID_PARAMETER_VALUE", lambda: search("params.p = 1"))
    fails("INVALID_PARAMETER_VALUE", lambda: search("wrong.key = 1"), "Invalid entity type")
    fails("INVALID_PARAMETER_VALUE", lambda: search("metrics.acc > 1 OR metrics.acc < 0"))
    fails("INVALID_PARAMETER_VALUE", lambda: mlflow.search_runs(order_by=["metrics.acc SIDEWAYS"]))
