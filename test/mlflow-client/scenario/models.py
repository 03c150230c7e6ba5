"""Models of several flavors: logged, described and loaded."""

import json
import textwrap
from pathlib import Path

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from harness import MAJOR, artifact_paths, client, fails, folder, in_experiment, named, raises, since_3
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression, LogisticRegression

# What a model needs is measured by starting a process, which is not what is asked here.
QUICK = {"pip_requirements": ["scikit-learn", "lightgbm"]}
X = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)[::-1] ** 1.5})
Y = (X["a"] > 20).astype(int)


def start():
    in_experiment("models")
    return mlflow.start_run()


def fitted():
    return LogisticRegression(max_iter=500).fit(X, Y)


def sk(model, name="model", **more):
    return mlflow.sklearn.log_model(model, **named(name), **QUICK, **more)


def check_sklearn():
    """A scikit-learn model is logged in a run and loaded by its address, by runs:/ and as a function"""
    model = fitted()
    with start() as run:
        info = sk(model)
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/model"):
        assert list(mlflow.sklearn.load_model(uri).predict(X)) == list(model.predict(X)), uri
        assert list(mlflow.pyfunc.load_model(uri).predict(X)) == list(model.predict(X)), uri
    assert {"sklearn", "python_function"} <= set(info.flavors)


def check_signature():
    """Signature and example are kept with a model; input that does not fit is refused when it predicts"""
    model = fitted()
    with start():
        info = sk(model, signature=infer_signature(X, model.predict(X)), input_example=X.head(3), metadata={"team": "ops"})
    read = mlflow.models.get_model_info(info.model_uri)
    assert read.signature == info.signature and [c.name for c in read.signature.inputs] == ["a", "b"] and read.metadata == {"team": "ops"}
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    pd.testing.assert_frame_equal(loaded.input_example if hasattr(loaded, "input_example") and loaded.input_example is not None else X.head(3), X.head(3))
    raises(mlflow.MlflowException, lambda: loaded.predict(pd.DataFrame({"a": [1.0]})))
    raises(mlflow.MlflowException, lambda: loaded.predict(pd.DataFrame({"a": ["x"], "b": [1.0]})))
    example = mlflow.models.Model.load(info.model_uri).load_input_example(mlflow.artifacts.download_artifacts(info.model_uri))
    assert example.shape == (3, 2)


def check_pipeline():
    """A pipeline with columns of text is logged and predicts the same when loaded"""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    data = pd.DataFrame({"city": ["Ulm", "Köln", "Rom", "Ulm"] * 5, "n": range(20)})
    model = make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"), LinearRegression())
    model.fit(data, data["n"] * 2.0)
    with start():
        info = sk(model, "pipeline", signature=infer_signature(data))
    assert np.allclose(mlflow.pyfunc.load_model(info.model_uri).predict(data), model.predict(data))


def check_lightgbm():
    """Boosters and the estimators of LightGBM are logged and loaded"""
    booster = lgb.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2}, lgb.Dataset(X, Y), num_boost_round=5)
    estimator = lgb.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=2).fit(X, Y)
    with start():
        as_booster = mlflow.lightgbm.log_model(booster, **named("booster"), **QUICK)
        pickled = {"serialization_format": "cloudpickle"} if MAJOR >= 3 else {}
        as_estimator = mlflow.lightgbm.log_model(estimator, **named("estimator"), **QUICK, **pickled)
    assert np.allclose(mlflow.lightgbm.load_model(as_booster.model_uri).predict(X), booster.predict(X))
    assert np.allclose(mlflow.pyfunc.load_model(as_booster.model_uri).predict(X), booster.predict(X))
    assert list(mlflow.lightgbm.load_model(as_estimator.model_uri).predict(X)) == list(estimator.predict(X))


class Threshold(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.limit = json.loads(Path(context.artifacts["limit"]).read_text())["limit"]

    def predict(self, context, model_input, params=None):
        return [int(v > self.limit) for v in model_input["a"]]


def check_own_model():
    """A model of one's own class keeps its artifacts and loads with them"""
    with folder() as source, start() as run:
        (source / "limit.json").write_text('{"limit": 3}')
        info = mlflow.pyfunc.log_model(**named("own"), python_model=Threshold(), artifacts={"limit": str(source / "limit.json")}, **QUICK)
    assert mlflow.pyfunc.load_model(info.model_uri).predict(X.head(6)) == [0, 0, 0, 0, 1, 1]
    assert mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/own").unwrap_python_model().limit == 3


def check_model_from_code():
    """A model that is a file of code is logged with the modules that it needs"""
    with folder() as source, start():
        (source / "shapes_of_it").mkdir()
        (source / "shapes_of_it" / "__init__.py").write_text("FACTOR = 3\n")
        (source / "model.py").write_text(
            textwrap.dedent(
                """
                import mlflow

                class Triple(mlflow.pyfunc.PythonModel):
                    def predict(self, context, model_input, params=None):
                        from shapes_of_it import FACTOR
                        return [v * FACTOR for v in model_input["a"]]

                mlflow.models.set_model(Triple())
                """
            )
        )
        info = mlflow.pyfunc.log_model(**named("code"), python_model=str(source / "model.py"), code_paths=[str(source / "shapes_of_it")], **QUICK)
    assert mlflow.pyfunc.load_model(info.model_uri).predict(X.head(3)) == [0, 3, 6]


def check_model_of_a_function():
    """A plain function with type hints is a model"""
    def twice(model_input: list[str]) -> list[str]:
        return [v * 2 for v in model_input]

    with start():
        info = mlflow.pyfunc.log_model(**named("function"), python_model=twice, input_example=["a"], **QUICK)
    assert mlflow.pyfunc.load_model(info.model_uri).predict(["ab"]) == ["abab"]


def check_saved_then_logged():
    """A model saved to a folder and logged as artifacts is loaded by runs:/"""
    model = fitted()
    with folder() as target, start() as run:
        mlflow.sklearn.save_model(model, str(target / "saved"), **QUICK)
        mlflow.log_artifacts(str(target / "saved"), "by/hand")
    assert list(mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/by/hand").predict(X)) == list(model.predict(X))


def check_model_outside_a_run():
    """A model logged without a run can be loaded all the same"""
    in_experiment("models")
    info = sk(fitted(), "lonely")
    assert len(mlflow.sklearn.load_model(info.model_uri).predict(X)) == len(X)


def check_model_described():
    """What was logged is told: the files of the model, its time, its id and flavors"""
    with start() as run:
        info = sk(fitted())
        mlflow.log_metric("acc", 0.9)
    with folder() as target:
        files = {p.name for p in Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(target))).rglob("*") if p.is_file()}
    assert {"MLmodel", "conda.yaml", "requirements.txt", "python_env.yaml"} <= files and any(f.startswith("model.") for f in files), files
    assert mlflow.models.Model.load(info.model_uri).model_uuid == info.model_uuid
    if MAJOR < 3:
        history = json.loads(client.get_run(run.info.run_id).data.tags["mlflow.log-model.history"])
        assert [(h["artifact_path"], h["run_id"]) for h in history] == [("model", run.info.run_id)]
        assert "model/MLmodel" in artifact_paths(run.info.run_id)


@since_3
def check_logged_model():
    """A logged model has its status, params, metrics and tags, and its run names it as an output"""
    with start() as run:
        mlflow.log_params({f"p{i}": i for i in range(120)})
        mlflow.log_metric("acc", 0.5)
        info = sk(fitted(), params={"kind": "linear"}, tags={"by": "hand"})
        again = sk(fitted(), "second", step=3)
    model = mlflow.get_logged_model(info.model_id)
    assert (model.name, str(model.status), model.source_run_id) == ("model", "READY", run.info.run_id)
    assert model.params["kind"] == "linear" and model.tags["by"] == "hand"
    assert [m.key for m in model.metrics] == ["acc"], model.metrics
    outputs = client.get_run(run.info.run_id).outputs.model_outputs
    assert {(o.model_id, o.step) for o in outputs} == {(info.model_id, 0), (again.model_id, 3)}
    assert mlflow.last_logged_model().model_id == again.model_id
    mlflow.set_logged_model_tags(info.model_id, {"stage": "ü"})
    mlflow.delete_logged_model_tag(info.model_id, "by")
    assert mlflow.get_logged_model(info.model_id).tags["stage"] == "ü" and "by" not in mlflow.get_logged_model(info.model_id).tags
    assert client.list_logged_model_artifacts(info.model_id)


@since_3
def check_checkpoints():
    """Checkpoints of one model at several steps are searched by their metrics"""
    made = in_experiment("checkpoints")
    data = mlflow.data.from_pandas(X, name="held out")
    with mlflow.start_run():
        for step in range(3):
            info = sk(fitted(), f"checkpoint-{step}", step=step)
            mlflow.log_metric("acc", step / 10, step=step, model_id=info.model_id, dataset=data)
    best = mlflow.search_logged_models([made], order_by=[{"field_name": "metrics.acc", "ascending": False}], output_format="list")
    assert [m.name for m in best] == ["checkpoint-2", "checkpoint-1", "checkpoint-0"]
    frame = mlflow.search_logged_models([made], filter_string="metrics.acc >= 0.1", datasets=[{"dataset_name": "held out"}])
    assert sorted(frame["name"]) == ["checkpoint-1", "checkpoint-2"]
    assert mlflow.search_logged_models([made], filter_string="name = 'none'", output_format="list") == []


@since_3
def check_model_that_fails():
    """A model begun and given up is FAILED; it is used as a context of metrics before"""
    with start():
        model = mlflow.initialize_logged_model(name="begun", params={"a": "1"})
        assert str(model.status) == "PENDING"
        mlflow.finalize_logged_model(model.model_id, "FAILED")
    assert str(mlflow.get_logged_model(model.model_id).status) == "FAILED"
    client.delete_logged_model(model.model_id)
    fails("RESOURCE_DOES_NOT_EXIST", lambda: mlflow.get_logged_model(model.model_id))


@since_3
def check_external_model():
    """A model that lives elsewhere is known by name"""
    made = in_experiment("models")
    model = mlflow.create_external_model(name="api", model_type="agent", tags={"url": "https://api.example"})
    assert mlflow.get_logged_model(model.model_id).model_type == "agent"
    with mlflow.set_active_model(model_id=model.model_id):
        pass
    assert model.experiment_id == made


def check_evaluate():
    """A model is evaluated: metrics and tables are logged in the run"""
    data = X.assign(y=Y)
    with start() as run:
        info = sk(fitted(), signature=infer_signature(X, Y))
        mlflow.models.evaluate(info.model_uri, data, targets="y", model_type="classifier", evaluator_config={"log_model_explainability": False})
    read = client.get_run(run.info.run_id)
    assert read.data.metrics["accuracy_score"] >= 0.9, read.data.metrics
    assert [i.dataset.name for i in read.inputs.dataset_inputs] and artifact_paths(run.info.run_id)
