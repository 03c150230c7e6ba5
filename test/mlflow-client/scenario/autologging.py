"""What the client logs by itself while models are fitted."""

import lightgbm as lgb
import mlflow
import sklearn.metrics
from harness import MAJOR, artifact_paths, client, experiment, in_experiment, unique
from models import X, Y
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.tree import DecisionTreeClassifier


def models_of(run_id):
    if MAJOR >= 3:
        return [mlflow.get_logged_model(o.model_id).name for o in client.get_run(run_id).outputs.model_outputs]
    return sorted({p.split("/")[0] for p in artifact_paths(run_id) if p.endswith("MLmodel")})


def autologged(flavor, work, **options):
    in_experiment("autologging")
    flavor.autolog(silent=True, **options)
    try:
        with mlflow.start_run() as run:
            work()
    finally:
        flavor.autolog(disable=True, silent=True)
    return client.get_run(run.info.run_id)


def check_autolog_sklearn():
    """A fit of scikit-learn logs its params, training metrics, estimator, dataset, plots and model"""
    run = autologged(mlflow.sklearn, lambda: LogisticRegression(C=0.5, max_iter=500).fit(X, Y))
    assert run.data.params["C"] == "0.5" and run.data.tags["estimator_name"] == "LogisticRegression"
    assert {"training_accuracy_score", "training_f1_score", "training_roc_auc", "training_log_loss"} <= set(run.data.metrics), run.data.metrics
    assert [i.tags[0].value for i in run.inputs.dataset_inputs] == ["train"]
    assert models_of(run.info.run_id) == ["model"] and "training_confusion_matrix.png" in artifact_paths(run.info.run_id)


def check_autolog_sklearn_without_a_run():
    """A fit outside a run makes a run of its own and ends it"""
    made = in_experiment(unique("autologging alone"))
    mlflow.sklearn.autolog(silent=True, log_models=False)
    try:
        LinearRegression().fit(X, X["a"])
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    [run] = client.search_runs([made])
    assert run.info.status == "FINISHED" and run.data.metrics["training_r2_score"] > 0.9 and models_of(run.info.run_id) == []


def check_autolog_after_training():
    """A metric computed on predictions after the fit is logged too"""
    def work():
        a, b, y_a, y_b = train_test_split(X, X["a"] * 2, random_state=0)
        model = LinearRegression().fit(a, y_a)
        model.score(b, y_b)
        predicted = model.predict(b)
        # As a module's function: autologging puts its own in the place of it.
        sklearn.metrics.r2_score(y_b, predicted)

    metrics = autologged(mlflow.sklearn, work, log_models=False).data.metrics
    assert {"LinearRegression_score_b", "r2_score_b"} <= set(metrics), metrics


def check_autolog_search():
    """A grid search is a parent with its best params and a child for each of the best candidates"""
    def work():
        GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3], "min_samples_leaf": [1, 2]}, cv=2).fit(X, Y)

    run = autologged(mlflow.sklearn, work, max_tuning_runs=4)
    assert {"best_max_depth", "best_min_samples_leaf"} <= set(run.data.params) and "best_cv_score" in run.data.metrics
    children = client.search_runs([experiment("autologging")], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"])
    assert len(children) == 4 and all({"max_depth", "min_samples_leaf"} <= set(c.data.params) for c in children)
    assert {c.info.status for c in children} == {"FINISHED"} and "cv_results.csv" in artifact_paths(run.info.run_id)
    assert "best_estimator" in models_of(run.info.run_id)


def check_autolog_lightgbm():
    """Training with LightGBM logs params, a metric for each round, importances and the model"""
    def work():
        train = lgb.Dataset(X, Y)
        lgb.train({"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "min_data_in_leaf": 2}, train, 8, valid_sets=[train], valid_names=["train"])

    run = autologged(mlflow.lightgbm, work)
    assert run.data.params["objective"] == "binary" and run.data.params["num_boost_round"] == "8"
    assert len(client.get_metric_history(run.info.run_id, "train-auc")) >= 8 and "train-binary_logloss" in run.data.metrics
    assert {"feature_importance_gain.json", "feature_importance_gain.png", "feature_importance_split.json"} <= set(artifact_paths(run.info.run_id))
    assert models_of(run.info.run_id) == ["model"]


def check_autolog_lightgbm_stops_early():
    """Early stopping is logged with the best round"""
    def work():
        train, valid = lgb.Dataset(X, Y), lgb.Dataset(X, 1 - Y)
        lgb.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2}, train, 30, valid_sets=[valid], callbacks=[lgb.early_stopping(2, verbose=False)])

    run = autologged(mlflow.lightgbm, work, log_models=False)
    assert {"best_iteration", "stopped_iteration"} <= set(run.data.metrics), run.data.metrics


def check_autolog_lightgbm_estimator():
    """The estimators of LightGBM are logged as scikit-learn's are"""
    run = autologged(mlflow.lightgbm, lambda: lgb.LGBMClassifier(n_estimators=4, verbose=-1, min_child_samples=2).fit(X, Y))
    assert run.data.params["num_boost_round"] == "4" or "n_estimators" in run.data.params
    assert models_of(run.info.run_id) == ["model"]


def check_autolog_begins_a_run():
    """A run that autologging begins by itself has the extra tags; its model is registered"""
    name = unique("autologged")
    in_experiment("autologging")
    mlflow.sklearn.autolog(silent=True, registered_model_name=name, extra_tags={"team": "ops"}, log_input_examples=True)
    try:
        LogisticRegression(max_iter=500).fit(X, Y)
        run = mlflow.last_active_run()
    finally:
        mlflow.autolog(disable=True, silent=True)
    assert client.get_run(run.info.run_id).data.tags["team"] == "ops"
    assert len(mlflow.pyfunc.load_model(f"models:/{name}/1").predict(X)) == len(X)
