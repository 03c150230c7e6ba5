"""Artifacts of runs: files and folders of every kind, up and down."""

import hashlib
import json
import os
from pathlib import Path

import mlflow
import numpy as np
from harness import artifact_paths, client, folder, in_experiment, raises, unique

HARD_NAMES = ["ünïcode 文件.txt", "with space.txt", "100% +plus & and=.txt", "quote'd (1) [2] {3}.txt", "e\u0301 decomposed.txt", "emoji 🚀.txt", "semi;colon,comma@at!.txt", ".hidden"]


def start():
    in_experiment("artifacts")
    return mlflow.start_run()


def fetched(run, path):
    """The bytes of an artifact, through a download of its own."""
    with folder() as target:
        return Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path, dst_path=str(target))).read_bytes()


def check_text_and_dict():
    """Text and dictionaries are logged as files and loaded back"""
    with start() as run:
        mlflow.log_text("größer\n", "notes/a.txt")
        mlflow.log_text("<b>hi</b>", "page.html")
        mlflow.log_dict({"a": [1, {"b": None}], "ü": "x"}, "config.json")
        mlflow.log_dict({"a": [1, 2]}, "config.yaml")
    uri = run.info.artifact_uri
    assert mlflow.artifacts.load_text(f"{uri}/notes/a.txt") == "größer\n"
    assert mlflow.artifacts.load_dict(f"{uri}/config.json") == {"a": [1, {"b": None}], "ü": "x"}
    assert fetched(run, "config.yaml").decode().startswith("a:")
    assert artifact_paths(run.info.run_id) == ["config.json", "config.yaml", "notes/a.txt", "page.html"]


def check_figure():
    """A figure of matplotlib is logged as a picture"""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([0, 1], [2, 3])
    with start() as run:
        mlflow.log_figure(figure, "plots/line.png")
    pyplot.close(figure)
    assert fetched(run, "plots/line.png")[:8] == b"\x89PNG\r\n\x1a\n"


def check_images():
    """Images are logged by file name, and by key and step"""
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    with start() as run:
        mlflow.log_image(image, "black.png")
        for step in range(2):
            mlflow.log_image(image, key="dogs", step=step, synchronous=step == 0)
        mlflow.flush_artifact_async_logging()
    paths = artifact_paths(run.info.run_id)
    assert "black.png" in paths and len([p for p in paths if p.startswith("images/dogs")]) >= 4, paths
    assert mlflow.artifacts.load_image(f"{run.info.artifact_uri}/black.png").size == (8, 8)


def check_tables():
    """Tables are logged, appended to, and loaded from the runs of an experiment"""
    import pandas as pd

    in_experiment(unique("tables"))
    with mlflow.start_run() as run:
        mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "eval.json")
        mlflow.log_table(pd.DataFrame({"q": ["c"], "n": [3]}), "eval.json")
    assert list(mlflow.load_table("eval.json", run_ids=[run.info.run_id])["q"]) == ["a", "b", "c"]
    frame = mlflow.load_table("eval.json", extra_columns=["run_id"])
    assert set(frame["run_id"]) == {run.info.run_id} and list(frame["n"]) == [1, 2, 3]
    assert json.loads(client.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"]) == [{"path": "eval.json", "type": "table"}]


def check_empty_file():
    """A file of 0 bytes is an artifact of 0 bytes"""
    with folder() as source, start() as run:
        (source / "empty.bin").touch()
        (source / "__init__.py").touch()
        mlflow.log_artifact(source / "empty.bin")
        mlflow.log_artifacts(source, "package")
    listed = {f.path: f.file_size for f in client.list_artifacts(run.info.run_id, "package")}
    assert listed == {"package/empty.bin": 0, "package/__init__.py": 0}, listed
    assert fetched(run, "empty.bin") == b"" == fetched(run, "package/__init__.py")


def check_hard_names():
    """Names with spaces, signs and letters of any script go up, are listed, and come down"""
    with folder() as source, start() as run:
        for name in HARD_NAMES:
            (source / name).write_text(name, encoding="utf-8")
            mlflow.log_artifact(source / name, "one by one")
        mlflow.log_artifacts(source, "together ü")
    for path in ("one by one", "together ü"):
        assert artifact_paths(run.info.run_id, path) == sorted(f"{path}/{n}" for n in HARD_NAMES), artifact_paths(run.info.run_id, path)
        for name in HARD_NAMES:
            assert fetched(run, f"{path}/{name}").decode() == name
    with folder() as target:
        mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="together ü", dst_path=str(target))
        assert sorted(os.listdir(target / "together ü")) == sorted(HARD_NAMES)


def check_deep_folder():
    """A folder of twenty levels with a file on each goes up and comes down as it was"""
    with folder() as source, start() as run:
        level = source
        for i in range(20):
            level = level / f"level {i}"
            level.mkdir()
            (level / "file.txt").write_text(str(i))
        mlflow.log_artifacts(source, "tree")
    paths = artifact_paths(run.info.run_id, "tree")
    assert len(paths) == 20
    with folder() as target:
        back = Path(client.download_artifacts(run.info.run_id, "tree", str(target)))
        assert sorted(p.read_text() for p in back.rglob("file.txt")) == sorted(str(i) for i in range(20))


def check_many_files():
    """150 files go up together, are listed and come down"""
    with folder() as source, start() as run:
        for i in range(150):
            (source / f"{i:04}.txt").write_text(str(i))
        mlflow.log_artifacts(source, "many")
    assert len(client.list_artifacts(run.info.run_id, "many")) == 150
    with folder() as target:
        client.download_artifacts(run.info.run_id, "", str(target))
        assert {p.read_text() for p in (target / "many").iterdir()} == {str(i) for i in range(150)}


def check_larger_file():
    """A file of 24 MB has the same bytes when it comes back"""
    content = os.urandom(24 * 1024 * 1024)
    with folder() as source, start() as run:
        (source / "weights.bin").write_bytes(content)
        mlflow.log_artifact(str(source / "weights.bin"))
    [listed] = client.list_artifacts(run.info.run_id)
    assert listed.file_size == len(content) and hashlib.sha256(fetched(run, "weights.bin")).digest() == hashlib.sha256(content).digest()


def check_overwrite():
    """An artifact logged again has its new content and size"""
    with start() as run:
        mlflow.log_text("first and longer", "a.txt")
        mlflow.log_text("second", "a.txt")
    [listed] = client.list_artifacts(run.info.run_id)
    assert (listed.file_size, fetched(run, "a.txt")) == (6, b"second")


def check_places():
    """The place of an artifact is told, and runs:/ and the place itself lead to it"""
    with start() as run:
        mlflow.log_text("here", "a/b.txt")
        assert mlflow.get_artifact_uri() == run.info.artifact_uri
        assert mlflow.get_artifact_uri("a/b.txt") == f"{run.info.artifact_uri}/a/b.txt"
    for uri in (f"runs:/{run.info.run_id}/a/b.txt", f"{run.info.artifact_uri}/a/b.txt"):
        assert mlflow.artifacts.load_text(uri) == "here", uri
        with folder() as target:
            assert Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(target))).read_text() == "here"
    assert [f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)] == ["a"]
    assert [f.path for f in mlflow.artifacts.list_artifacts(f"runs:/{run.info.run_id}/a")] == ["a/b.txt"] or [
        f.path for f in mlflow.artifacts.list_artifacts(f"runs:/{run.info.run_id}/a")
    ] == ["b.txt"]


def check_absent():
    """What is not there is an empty list, or an error, at once"""
    with start() as run:
        mlflow.log_text("x", "file.txt")
    assert client.list_artifacts(run.info.run_id, "nowhere") == [] == client.list_artifacts(run.info.run_id, "file.txt")
    raises(Exception, lambda: fetched(run, "nowhere.txt"))
    raises(Exception, lambda: fetched(run, "file.txt/below"))


def check_removed():
    """A file and a folder are removed through the client's repository"""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with start() as run:
        if run.info.artifact_uri.startswith("s3:"):
            return  # between the client and the store: nothing of it reaches the server
        for path in ("a/1.txt", "a/2.txt", "b.txt"):
            mlflow.log_text("x", path)
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("b.txt")
    assert artifact_paths(run.info.run_id) == ["a/1.txt", "a/2.txt"]
    repository.delete_artifacts("a")
    assert artifact_paths(run.info.run_id) == []


def check_threads():
    """Eight threads log artifacts of one run at one time"""
    from concurrent.futures import ThreadPoolExecutor

    with start() as run:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: client.log_text(run.info.run_id, str(i), f"t/{i}.txt"), range(32)))
    assert len(client.list_artifacts(run.info.run_id, "t")) == 32
