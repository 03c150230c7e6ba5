# What training does, by MLflow's own client. Prints the seconds, without those of the imports.
import time
import warnings

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
model = LogisticRegression().fit(np.arange(40).reshape(20, 2), np.arange(20) % 2)
began = time.perf_counter()
mlflow.set_experiment("script")
with mlflow.start_run() as run:
    for i in range(20):
        mlflow.log_param(f"p{i}", i)
    for step in range(500):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.sklearn.log_model(model, name="model", registered_model_name="bench", pip_requirements=["scikit-learn"])
MlflowClient().set_registered_model_alias("bench", "best", "1")
mlflow.sklearn.load_model("models:/bench@best")
print(time.perf_counter() - began)
