"""Fits the model and logs it through the MLflow client; nothing here knows Gyre."""

import argparse

import mlflow
import mlflow.onnx
import numpy as np
import pyarrow.parquet as pq
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from onnx import TensorProto, compose, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier

import columns


def to_onnx(model, words):
    """One named input per column ([N, 1], text or float), `probabilities` [N, 2] as output."""
    width = len(columns.STRINGS) + len(columns.NUMBERS)
    trees = convert_sklearn(
        model, initial_types=[("matrix", FloatTensorType([None, width]))], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3}
    )
    for opset in trees.opset_import:
        if opset.domain == "ai.onnx.ml":
            opset.version = 3  # the first one whose LabelEncoder turns text into floats
    nodes, inputs, parts = [], [], []
    for name in columns.STRINGS:
        inputs.append(helper.make_tensor_value_info(name, TensorProto.STRING, [None, 1]))
        nodes.append(
            helper.make_node(
                "LabelEncoder", [name], [f"{name}_code"], domain="ai.onnx.ml",
                keys_strings=list(words[name]), values_floats=list(words[name].values()), default_float=-1.0,
            )
        )  # fmt: skip
        parts.append(f"{name}_code")
    for name in columns.NUMBERS:
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]))
        parts.append(name)
    nodes.append(helper.make_node("Concat", parts, ["joined"], axis=1))
    front = helper.make_model(
        helper.make_graph(nodes, "encode", inputs, [helper.make_tensor_value_info("joined", TensorProto.FLOAT, [None, width])]),
        opset_imports=trees.opset_import,
        ir_version=trees.ir_version,
    )
    return compose.merge_models(front, trees, io_map=[("joined", "matrix")], outputs=["probabilities"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True, help="folder with the training table, Parquet")
    parser.add_argument("--learning-rate", type=float, default=0.08)
    parser.add_argument("--shuffle-labels", choices=["true", "false"], default="false", help="a model that learns nothing, to see a gate refuse it")
    args = parser.parse_args()

    numbers, strings, label = columns.read(pq.read_table(args.rows))
    words = columns.vocabulary(strings)
    x = columns.matrix(numbers, strings, words)
    if args.shuffle_labels == "true":
        label = np.random.default_rng(0).permutation(label)
    settings = {"learning_rate": args.learning_rate, "max_iter": 120, "max_leaf_nodes": 15, "min_samples_leaf": 80, "l2_regularization": 5.0}

    with mlflow.start_run():
        mlflow.log_params({**settings, "rows": len(label), "columns": x.shape[1]})
        model = HistGradientBoostingClassifier(**settings, random_state=0, early_stopping=False).fit(x, label)
        # Figures on the rows that were fitted: a sign of life, not an evaluation.
        probability = model.predict_proba(x)[:, 1]
        loss = -np.mean(label * np.log(probability) + (1 - label) * np.log(1 - probability))
        mlflow.log_metrics({"fit_log_loss": float(loss), "fit_late_rate": float(label.mean())})
        signature = ModelSignature(
            inputs=Schema(
                [TensorSpec(np.dtype(np.str_), (-1, 1), c) for c in columns.STRINGS]
                + [TensorSpec(np.dtype(np.float32), (-1, 1), c) for c in columns.NUMBERS]
            ),
            outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 2), "probabilities")]),
        )
        mlflow.onnx.log_model(to_onnx(model, words), name="model", signature=signature, pip_requirements=[])


if __name__ == "__main__":
    main()
