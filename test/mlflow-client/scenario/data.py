"""Datasets as inputs of runs."""

import mlflow
import numpy as np
import pandas as pd
from harness import client, experiment, in_experiment, unique


def frame():
    return pd.DataFrame({"x": [1.0, 2.0, 3.0], "city": ["Ulm", "Köln", "Rom"], "y": [0, 1, 0]})


def check_input_of_pandas():
    """A frame logged as an input has its name, digest, schema, profile and context"""
    in_experiment("data")
    dataset = mlflow.data.from_pandas(frame(), source="s3://bucket/cities.csv", name="cities", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"split": "a"})
        mlflow.log_input(dataset, context="training")
    [found] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("cities", dataset.digest)
    assert {t.key: t.value for t in found.tags} == {"mlflow.data.context": "training", "split": "a"}
    assert '"num_rows": 3' in found.dataset.profile and "city" in found.dataset.schema
    assert mlflow.data.get_source(found.dataset).uri == "s3://bucket/cities.csv"


def check_input_of_numpy():
    """Arrays are inputs too, and a run may have several"""
    in_experiment("data")
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_numpy(np.arange(6).reshape(3, 2), targets=np.array([0, 1, 0]), name="array"), context="train")
        mlflow.log_input(mlflow.data.from_pandas(frame(), name="test set"), context="test")
    found = {i.dataset.name: i.tags[0].value for i in client.get_run(run.info.run_id).inputs.dataset_inputs}
    assert found == {"array": "train", "test set": "test"}


def check_input_from_the_web():
    """A dataset that is only named, by its address, is an input"""
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    in_experiment("data")
    with mlflow.start_run() as run:
        mlflow.log_input(MetaDataset(HTTPDatasetSource("https://data.example/set.csv"), name="named"))
    [found] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert found.dataset.source_type == "http" and mlflow.data.get_source(found.dataset).url == "https://data.example/set.csv"


def check_input_searched():
    """Runs are found by the name, digest and context of their inputs"""
    name = unique("searched")
    made = in_experiment(unique("by-input"))
    dataset = mlflow.data.from_pandas(frame(), name=name)
    for context in ("train", "eval"):
        with mlflow.start_run(run_name=context):
            mlflow.log_input(dataset, context=context)
    found = lambda text: sorted(r.info.run_name for r in client.search_runs([made], text))
    assert found(f"dataset.name = '{name}'") == ["eval", "train"] == found(f"dataset.digest = '{dataset.digest}'")
    assert found("dataset.context = 'train'") == ["train"] and found(f"dataset.name LIKE 'searched%' AND dataset.context = 'eval'") == ["eval"]
    assert found("dataset.name = 'none'") == []


def check_input_of_another_experiment():
    """The same dataset in two experiments is logged in both"""
    dataset = mlflow.data.from_pandas(frame(), name="shared")
    for name in ("first", "second"):
        experiment(name)
        in_experiment(name)
        with mlflow.start_run() as run:
            mlflow.log_input(dataset)
        assert [i.dataset.name for i in client.get_run(run.info.run_id).inputs.dataset_inputs] == ["shared"]
