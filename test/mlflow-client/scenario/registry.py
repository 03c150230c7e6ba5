"""The model registry, as scripts and pipelines of delivery use it."""

import mlflow
from harness import MAJOR, client, fails, in_experiment, named, raises, since_3, unique
from models import QUICK, X, fitted, sk


def registered(versions=1):
    """A new registered model with so many versions of a scikit-learn model; its name and the run of the last."""
    name = unique("model")
    in_experiment("registry")
    with mlflow.start_run() as run:
        info = sk(fitted(), registered_model_name=name)
    for _ in range(versions - 1):
        mlflow.register_model(info.model_uri, name)
    return name, run.info.run_id


def check_registered_when_logged():
    """registered_model_name makes the model and its first version; the next time, the second"""
    name, run = registered()
    with mlflow.start_run():
        info = sk(fitted(), registered_model_name=name)
    assert int(info.registered_model_version) == 2
    first = client.get_model_version(name, "1")
    assert (str(first.version), first.status, first.run_id, first.current_stage) == ("1", "READY", run, "None")
    assert len(mlflow.sklearn.load_model(f"models:/{name}/2").predict(X)) == len(X)


def check_register_run():
    """A version is registered from runs:/ with tags"""
    in_experiment("registry")
    name = unique("from-run")
    with mlflow.start_run() as run:
        sk(fitted())
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name, tags={"by": "pipeline"})
    assert (str(version.version), version.run_id, version.tags["by"]) == ("1", run.info.run_id, "pipeline")
    assert len(mlflow.pyfunc.load_model(f"models:/{name}/1").predict(X)) == len(X)


def check_register_by_hand():
    """create_registered_model and create_model_version do what register_model does"""
    name = unique("hand")
    in_experiment("registry")
    with mlflow.start_run() as run:
        sk(fitted())
    client.create_registered_model(name, tags={"a": "1"}, description="ünï")
    version = client.create_model_version(name, f"{run.info.artifact_uri}/model" if MAJOR < 3 else f"runs:/{run.info.run_id}/model", run.info.run_id, description="d")
    assert (version.description, version.run_id) == ("d", run.info.run_id)
    fails("RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model(name))


def check_aliases():
    """Aliases are set, moved, read, loaded by and removed"""
    name, _ = registered(2)
    client.set_registered_model_alias(name, "candidate", "1")
    client.set_registered_model_alias(name, "other_one", 1)
    assert str(client.get_model_version_by_alias(name, "candidate").version) == "1"
    client.set_registered_model_alias(name, "candidate", "2")
    assert sorted(client.get_model_version(name, "1").aliases) == ["other_one"] and client.get_model_version(name, "2").aliases == ["candidate"]
    assert {k: str(v) for k, v in client.get_registered_model(name).aliases.items()} == {"candidate": "2", "other_one": "1"}
    assert len(mlflow.pyfunc.load_model(f"models:/{name}@candidate").predict(X)) == len(X)
    client.delete_registered_model_alias(name, "candidate")
    fails("INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias(name, "candidate"), "alias candidate not found")
    raises(mlflow.MlflowException, lambda: mlflow.pyfunc.load_model(f"models:/{name}@candidate"))


def check_stages():
    """Stages still work for scripts that use them: moved, archived, loaded by, latest of each"""
    name, _ = registered(3)
    client.transition_model_version_stage(name, "1", "Production")
    client.transition_model_version_stage(name, "2", "production", archive_existing_versions=True)
    client.transition_model_version_stage(name, "3", "Staging")
    stages = {str(v.version): v.current_stage for v in client.search_model_versions(f"name = '{name}'")}
    assert stages == {"1": "Archived", "2": "Production", "3": "Staging"}, stages
    assert {v.current_stage: str(v.version) for v in client.get_latest_versions(name)} == {"Archived": "1", "Production": "2", "Staging": "3"}
    assert [str(v.version) for v in client.get_latest_versions(name, ["Production"])] == ["2"]
    assert len(mlflow.pyfunc.load_model(f"models:/{name}/Production").predict(X)) == len(X)
    fails("INVALID_PARAMETER_VALUE", lambda: client.transition_model_version_stage(name, "1", "Nowhere"))


def check_latest():
    """models:/name/latest is the highest version"""
    name, _ = registered(2)
    assert len(mlflow.sklearn.load_model(f"models:/{name}/latest").predict(X)) == len(X)
    assert client.get_model_version_download_uri(name, "2")


def check_registry_described():
    """Descriptions and tags of models and versions are changed and read"""
    name, _ = registered()
    client.update_registered_model(name, "what it does")
    client.update_model_version(name, "1", "how it was made")
    client.set_registered_model_tag(name, "team", "ops")
    client.set_model_version_tag(name, "1", "checked", "yes")
    model, version = client.get_registered_model(name), client.get_model_version(name, "1")
    assert (model.description, model.tags["team"], version.description, version.tags["checked"]) == ("what it does", "ops", "how it was made", "yes")
    client.delete_registered_model_tag(name, "team")
    client.delete_model_version_tag(name, "1", "checked")
    assert "team" not in client.get_registered_model(name).tags and "checked" not in client.get_model_version(name, "1").tags


def check_registry_found():
    """Models and versions are found by name and tag, page after page"""
    group = unique("found")
    for i in range(5):
        client.create_registered_model(f"{group}-{i}", tags={"group": group})
    found = [m.name[-1] for m in mlflow.search_registered_models(filter_string=f"tags.group = '{group}'", order_by=["name DESC"])]
    assert found == list("43210"), found
    first = client.search_registered_models(f"name LIKE '{group}%'", max_results=3)
    rest = client.search_registered_models(f"name LIKE '{group}%'", max_results=3, page_token=first.token)
    assert [m.name[-1] for m in [*first, *rest]] == list("01234") and not rest.token
    name, run = registered(2)
    assert [str(v.version) for v in mlflow.search_model_versions(filter_string=f"name = '{name}'", order_by=["version_number ASC"])] == ["1", "2"]
    assert name in [v.name for v in mlflow.search_model_versions(filter_string=f"run_id = '{run}'")]


def check_registry_renamed():
    """A model is renamed with its versions and aliases, and its old name is free"""
    name, _ = registered()
    client.set_registered_model_alias(name, "kept", "1")
    client.rename_registered_model(name, f"{name}-2")
    assert str(client.get_model_version_by_alias(f"{name}-2", "kept").version) == "1"
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(name))
    client.create_registered_model(name)


def check_registry_deleted():
    """A version deleted is gone with its alias, its number is not used again; then the model"""
    name, run = registered(2)
    client.set_registered_model_alias(name, "a", "2")
    client.delete_model_version(name, "2")
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(name, "2"))
    fails("INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias(name, "a"))
    assert str(mlflow.register_model(f"runs:/{run}/model", name).version) == "3"
    client.delete_registered_model(name)
    fails("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(name))


def check_copied():
    """A version is copied to another model, as promotion between stages of delivery does"""
    name, _ = registered()
    copy = client.copy_model_version(f"models:/{name}/1", f"{name}-prod")
    assert copy.name == f"{name}-prod" and len(mlflow.pyfunc.load_model(f"models:/{name}-prod/1").predict(X)) == len(X)


def check_registry_of_several_flavors():
    """A model of one's own class is registered and loaded by its alias"""
    class Constant(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [7] * len(model_input)

    name = unique("own")
    in_experiment("registry")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(**named("own"), python_model=Constant(), registered_model_name=name, **QUICK)
    client.set_registered_model_alias(name, "live", "1")
    assert mlflow.pyfunc.load_model(f"models:/{name}@live").predict(X.head(2)) == [7, 7]


@since_3
def check_prompts():
    """Prompts are registered in versions, aliased, loaded, formatted and found, and are no models"""
    name = unique("prompt")
    mlflow.genai.register_prompt(name, "Summarise: {{ text }}", commit_message="first", tags={"task": "short"})
    mlflow.genai.register_prompt(name, "Summarise in {{ n }} words: {{ text }}")
    mlflow.genai.set_prompt_alias(name, alias="production", version=2)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@production").format(n=3, text="x") == "Summarise in 3 words: x"
    assert mlflow.genai.load_prompt(f"prompts:/{name}/1").commit_message == "first"
    assert [p.name for p in mlflow.genai.search_prompts(f"name = '{name}'")] == [name]
    assert name not in [m.name for m in mlflow.search_registered_models()]
    mlflow.genai.delete_prompt_alias(name, "production")
    raises(mlflow.MlflowException, lambda: mlflow.genai.load_prompt(f"prompts:/{name}@production", allow_missing=False))
