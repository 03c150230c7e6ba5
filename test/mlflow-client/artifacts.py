"""Large artifacts by the unmodified MLflow client: artifacts.py sparse | parts"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import mlflow

GB = 1024**3
task = sys.argv[1]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if sys.version_info >= (3, 11) else hashlib.sha256(f.read()).hexdigest()


def there_and_back(run_id, source, path):
    """Uploads the file and downloads it again; both have the same bytes."""
    client = mlflow.MlflowClient()
    client.log_artifact(run_id, str(source), path)
    [found] = client.list_artifacts(run_id, path)
    assert found.file_size == source.stat().st_size, found
    with tempfile.TemporaryDirectory() as folder:
        back = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=found.path, dst_path=folder)
        assert digest(back) == digest(source), "the bytes differ"


with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
    file = Path(folder) / "large file ü.bin"
    if task == "sparse":
        with open(file, "wb") as f:
            f.truncate(5 * GB)
    else:
        file.write_bytes(os.urandom(23 * 1024 * 1024))
    there_and_back(run.info.run_id, file, "deep/folder")
print("done")
