"""The model of the serving bench, as every server takes it: make_models.py FOLDER.

A random forest of 100 trees on 20 columns: forest.onnx takes one matrix, columns.onnx one tensor for each column, slow.onnx has ten times the trees, large.onnx has
2 MB, mlflow/ holds the scikit-learn model for `mlflow models serve` and for Gyre's workers.
"""
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnx
import sklearn
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
COLUMNS = 20
features, labels = make_classification(n_samples=4000, n_features=COLUMNS, n_informative=12, random_state=7)
features = features.astype(np.float32)


def convert(trees, depth):
    forest = RandomForestClassifier(n_estimators=trees, max_depth=depth, n_jobs=1, random_state=7).fit(features, labels)
    return forest, to_onnx(forest, features[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})


forest, matrix = convert(100, 6)
onnx.save(matrix, folder / "forest.onnx")

names = [f"x{i}" for i in range(COLUMNS)]


def in_columns(model):
    inputs = [helper.make_tensor_value_info(c, TensorProto.FLOAT, ["N", 1]) for c in names]
    join = helper.make_node("Concat", names, [model.graph.input[0].name], axis=1)
    graph = helper.make_graph([join, *model.graph.node], "columns", inputs, model.graph.output, model.graph.initializer)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


onnx.save(in_columns(matrix), folder / "columns.onnx")
onnx.save(in_columns(convert(1000, 6)[1]), folder / "slow.onnx")

for trees in range(100, 2000, 50):
    _, large = convert(trees, 8)
    if large.ByteSize() >= 2_000_000:
        break
onnx.save(large, folder / "large.onnx")

requirements = [f"scikit-learn=={sklearn.__version__}"]
mlflow.sklearn.save_model(
    forest, folder / "mlflow", input_example=features[:1], pip_requirements=requirements, serialization_format="cloudpickle"
)
