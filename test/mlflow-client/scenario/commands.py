"""The client's own command line against the server."""

import csv
import io
import json
from pathlib import Path

import mlflow
from click.testing import CliRunner
from harness import MAJOR, client, folder, in_experiment, unique
from mlflow.cli import cli


def command(*words):
    result = CliRunner().invoke(cli, [str(w) for w in words])
    assert result.exit_code == 0, f"{words}: {result.output} {result.exception!r}"
    return result.output


def check_experiments_command():
    """mlflow experiments: create, search, rename, delete, restore, csv"""
    name = unique("cli")
    command("experiments", "create", "-n", name)
    made = client.get_experiment_by_name(name).experiment_id
    assert name in command("experiments", "search")
    command("experiments", "rename", "-x", made, "--new-name", f"{name}-2")
    assert client.get_experiment(made).name == f"{name}-2"
    client.create_run(made, run_name="listed")
    rows = list(csv.DictReader(io.StringIO(command("experiments", "csv", "-x", made))))
    assert len(rows) == 1 and rows[0]["status"] == "RUNNING", rows
    command("experiments", "delete", "-x", made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    assert f"{name}-2" in command("experiments", "search", "--view", "deleted_only")
    command("experiments", "restore", "-x", made)


def check_runs_command():
    """mlflow runs: list, describe, delete, restore"""
    made = in_experiment(unique("cli-runs"))
    with mlflow.start_run(run_name="by the command line") as run:
        mlflow.log_param("p", 1)
    assert run.info.run_id in command("runs", "list", "--experiment-id", made)
    assert json.loads(command("runs", "describe", "--run-id", run.info.run_id))["data"]["params"] == {"p": "1"}
    command("runs", "delete", "--run-id", run.info.run_id)
    assert run.info.run_id not in command("runs", "list", "--experiment-id", made)
    assert run.info.run_id in command("runs", "list", "--experiment-id", made, "--view", "deleted_only")
    command("runs", "restore", "--run-id", run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "active"


def check_artifacts_command():
    """mlflow artifacts: log-artifact, log-artifacts, list, download"""
    in_experiment("cli")
    run = client.create_run(in_experiment("cli")).info.run_id
    with folder() as source:
        (source / "a.txt").write_text("a")
        command("artifacts", "log-artifact", "--local-file", source / "a.txt", "--run-id", run, "--artifact-path", "here")
        command("artifacts", "log-artifacts", "--local-dir", source, "--run-id", run, "--artifact-path", "there")
    listed = json.loads(command("artifacts", "list", "--run-id", run))
    assert [(f["path"], f["is_dir"]) for f in listed] == [("here", True), ("there", True)]
    with folder() as target:
        command("artifacts", "download", "--run-id", run, "--artifact-path", "there/a.txt", "--dst-path", target)
        assert [p.read_text() for p in Path(target).rglob("a.txt")] == ["a"]
    with folder() as target:
        command("artifacts", "download", "--artifact-uri", f"runs:/{run}/here", "--dst-path", target)
        assert [p.read_text() for p in Path(target).rglob("a.txt")] == ["a"]
