"""Drives a server with logins by what the unmodified MLflow client sends: users, permissions, roles, workspaces.

MLflow's AuthServiceClient is not in the slim package; like it, this uses the client's own http_request and credentials.
One line of JSON per check goes to standard output, as from client.py.
"""

import json
import os
import sys
import time
import traceback

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

URL = os.environ["MLFLOW_TRACKING_URI"]
client = MlflowClient(URL)


def be(user):
    """Whom the client sends from here on."""
    os.environ["MLFLOW_TRACKING_USERNAME"] = user
    os.environ["MLFLOW_TRACKING_PASSWORD"] = f"{user}-has-a-password"


def ask(method, path, major=2, **sent):
    endpoint = f"/api/{major}.0/mlflow/{path}"
    kind = "params" if method == "GET" else "json"
    reply = http_request(get_default_host_creds(URL), endpoint, method, **{kind: sent})
    return verify_rest_response(reply, endpoint).json()


def fails(call, *words):
    try:
        call()
    except MlflowException as error:
        for word in words:
            assert word in f"{error.error_code}: {error}", f"{word!r} is not in {error.error_code}: {error}"
        return
    raise AssertionError(f"no error, where {words} was expected")


def level(user, kind, id):
    return ask("GET", "users/permissions/get", 3, username=user, resource_type=kind, resource_id=id)["permission"]


def check_users():
    """Administrators make, list and remove users; everybody sees and changes only themselves"""
    be("admin")
    for name in ("alice", "bob", "carol"):
        made = ask("POST", "users/create", username=name, password=f"{name}-has-a-password")["user"]
        assert made["username"] == name and made["is_admin"] is False
        assert made["experiment_permissions"] == [] and made["registered_model_permissions"] == []
    ask("PATCH", "users/update-admin", username="bob", is_admin=False)
    assert [u["username"] for u in ask("GET", "users/list")["users"]] == ["admin", "alice", "bob", "carol"]
    fails(lambda: ask("POST", "users/create", username="bob", password="another-password"), "RESOURCE_ALREADY_EXISTS", "User (username=bob)")
    fails(lambda: ask("POST", "users/create", username="eve", password="short"), "INVALID_PARAMETER_VALUE", "at least 12 characters")
    fails(lambda: ask("GET", "users/get", username="nobody"), "RESOURCE_DOES_NOT_EXIST", "User with username=nobody not found")
    ask("DELETE", "users/delete", username="carol")
    fails(lambda: ask("GET", "users/get", username="carol"), "RESOURCE_DOES_NOT_EXIST")
    be("bob")
    assert ask("GET", "users/current")["user"]["username"] == "bob"
    assert ask("GET", "users/get", username="bob")["user"]["username"] == "bob"
    for denied in (
        lambda: ask("GET", "users/get", username="alice"),
        lambda: ask("GET", "users/list"),
        lambda: ask("POST", "users/create", username="eve", password="long-enough-password"),
        lambda: ask("PATCH", "users/update-admin", username="bob", is_admin=True),
        lambda: ask("PATCH", "users/update-password", username="alice", password="long-enough-password"),
        lambda: ask("DELETE", "users/delete", username="alice"),
    ):
        fails(denied, "Permission denied")


def check_passwords():
    """Whoever changes the own password says the present one; the former stops working at once"""
    be("bob")
    change = lambda **more: ask("PATCH", "users/update-password", username="bob", password="bob-has-another-one", **more)
    fails(change, "Current password is required")
    fails(lambda: change(current_password="wrong"), "Current password does not match")
    change(current_password="bob-has-a-password")
    fails(lambda: ask("GET", "users/current"), "You are not authenticated")
    be("admin")
    ask("PATCH", "users/update-password", username="bob", password="bob-has-a-password")
    be("bob")
    ask("GET", "users/current")


def check_refusals():
    """Without credentials the answer is 401 in plain text, and names Basic with MLflow's realm"""
    reply = requests.get(f"{URL}/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"}, timeout=10)
    assert reply.status_code == 401 and reply.text.startswith("You are not authenticated"), reply.text
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
    denied = requests.get(f"{URL}/api/2.0/mlflow/users/list", auth=("bob", "bob-has-a-password"), timeout=10)
    assert (denied.status_code, denied.text) == (403, "Permission denied")


def check_levels():
    """Whoever makes an experiment or a model manages and shares it; others read, and more only as it is granted"""
    be("alice")
    experiment = client.create_experiment("alices")
    run = client.create_run(experiment).info.run_id
    client.create_registered_model("alices-model")
    assert level("alice", "experiment", experiment) == level("alice", "registered_model", "alices-model") == "MANAGE"
    write = lambda: client.log_metric(run, "m", time.time())
    tag = lambda: client.set_registered_model_tag("alices-model", "k", "v")
    for kind, id, path, name, change in (
        ("experiment", experiment, "experiments", "experiment_id", write),
        ("registered_model", "alices-model", "registered-models", "name", tag),
    ):
        member = f"{kind}_permission"
        named = {"username": "bob", name: id}
        be("bob")
        assert client.get_experiment(experiment).name == "alices"
        fails(change, "Permission denied")
        fails(lambda: ask("POST", f"{path}/permissions/create", permission="MANAGE", **named), "Permission denied")
        be("alice")
        assert ask("POST", f"{path}/permissions/create", permission="EDIT", **named)[member]["permission"] == "EDIT"
        fails(lambda: ask("POST", f"{path}/permissions/create", permission="EDIT", **named), "RESOURCE_ALREADY_EXISTS")
        assert ask("GET", f"{path}/permissions/get", **named)[member][name] == id
        be("bob")
        change()
        assert level("bob", kind, id) == "EDIT"
        be("alice")
        ask("PATCH", f"{path}/permissions/update", permission="READ", **named)
        be("bob")
        fails(change, "Permission denied")
        be("alice")
        ask("DELETE", f"{path}/permissions/delete", **named)
        fails(lambda: ask("GET", f"{path}/permissions/get", **named), "RESOURCE_DOES_NOT_EXIST", "not found")
        fails(lambda: ask("POST", f"{path}/permissions/create", permission="ALL", **named), "Invalid permission 'ALL'")
        ask("POST", "users/permissions/grant", 3, username="bob", resource_type=kind, resource_id=id, permission="EDIT")
        be("bob")
        change()
    be("alice")
    for kind, id in (("experiment", experiment), ("registered_model", "alices-model")):
        ask("POST", "users/permissions/revoke", 3, username="bob", resource_type=kind, resource_id=id)
        ask("POST", "users/permissions/grant", 3, username="bob", resource_type=kind, resource_id=id, permission="DENY")
    be("bob")
    fails(write, "Permission denied")
    fails(tag, "Permission denied")
    # What is closed is in no list either.
    assert "alices" not in [e.name for e in client.search_experiments()]
    assert list(client.search_runs([experiment])) == []
    assert "alices-model" not in [m.name for m in client.search_registered_models()]
    be("alice")
    for kind, id in (("experiment", experiment), ("registered_model", "alices-model")):
        ask("POST", "users/permissions/revoke", 3, username="bob", resource_type=kind, resource_id=id)
    fails(lambda: ask("POST", "users/permissions/grant", 3, username="bob", resource_type="scorer", resource_id="1/s", permission="READ"), "NOT_IMPLEMENTED")


def check_artifacts():
    """Artifacts are read and written as far as their experiment may be"""
    be("alice")
    run = client.create_run(client.create_experiment("artifacts of alice")).info.run_id
    client.log_text(run, "hello", "a.txt")
    be("bob")
    assert mlflow.artifacts.load_text(f"runs:/{run}/a.txt") == "hello"
    try:
        client.log_text(run, "no", "b.txt")
    except (MlflowException, requests.HTTPError) as error:
        assert "403" in str(error), error
    else:
        raise AssertionError("it was uploaded")


def check_roles():
    """A role gives its levels to whom it is assigned, until it is taken away"""
    be("alice")
    run = client.create_run(client.create_experiment("for reviewers")).info.run_id
    be("admin")
    role = ask("POST", "roles/create", 3, workspace="default", name="reviewers", description="who review")["role"]
    grant = ask("POST", "roles/permissions/add", 3, role_id=role["id"], resource_type="experiment", resource_pattern="*", permission="EDIT")
    bob = ask("GET", "users/get", username="bob")["user"]["id"]
    assert ask("POST", "roles/assign", 3, username="bob", role_id=role["id"])["assignment"]["user_id"] == bob
    assert [r["name"] for r in ask("GET", "users/roles/list", 3, username="bob")["roles"]] == ["reviewers"]
    be("bob")
    client.log_metric(run, "m", 1)
    shown = ask("GET", "users/current/permissions", 3)["permissions"]
    assert [(p["role_name"], p["resource_pattern"], p["permission"]) for p in shown] == [("reviewers", "*", "EDIT")], shown
    fails(lambda: ask("POST", "roles/create", 3, workspace="default", name="mine"), "Permission denied")
    be("admin")
    ask("PATCH", "roles/permissions/update", 3, role_permission_id=grant["role_permission"]["id"], permission="READ")
    be("bob")
    fails(lambda: client.log_metric(run, "m", 2), "Permission denied")
    be("admin")
    assert len(ask("GET", "roles/users/list", 3, role_id=role["id"])["assignments"]) == 1
    ask("DELETE", "roles/unassign", 3, username="bob", role_id=role["id"])
    ask("DELETE", "roles/delete", 3, role_id=role["id"])
    fails(lambda: ask("GET", "roles/get", 3, role_id=role["id"]), "RESOURCE_DOES_NOT_EXIST")


def check_workspaces():
    """Workspaces are made, entered by their header, kept apart, and deleted when they are empty"""
    be("admin")
    assert mlflow.create_workspace("team-a", "the first").description == "the first"
    fails(lambda: mlflow.create_workspace("team-a"), "already exists")
    try:
        mlflow.set_workspace("team-a")
        here = MlflowClient(URL)
        made = here.create_experiment("only in a")
        assert sorted(e.name for e in here.search_experiments()) == ["Default", "only in a"]
        fails(lambda: mlflow.delete_workspace("team-a"), "INVALID_STATE", "still has rows")
    finally:
        mlflow.set_workspace("default")
    there = [e.name for e in MlflowClient(URL).search_experiments()]
    assert made and "only in a" not in there and "alices" in there
    be("bob")
    assert [w.name for w in mlflow.list_workspaces()] == ["default"]
    fails(lambda: mlflow.get_workspace("team-a"), "RESOURCE_DOES_NOT_EXIST")
    fails(lambda: mlflow.create_workspace("bobs"), "Permission denied")
    be("admin")
    mlflow.create_workspace("team-b")
    assert mlflow.update_workspace("team-b", description="the second").description == "the second"
    mlflow.delete_workspace("team-b")
    assert [w.name for w in mlflow.list_workspaces()] == ["default", "team-a"]


def main():
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            error = None
        except BaseException:  # noqa: BLE001 - the other side reports it
            error = traceback.format_exc()
        print(json.dumps({"check": check.__doc__, "error": error}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
