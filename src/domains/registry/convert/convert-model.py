"""Turns a scikit-learn, LightGBM or XGBoost model into ONNX, and says what the model itself answers for given rows.

Runs in the model's own environment with the converters beside it, in a process of its own: unpickling a model runs its
code. Reads spec.json, writes model.onnx, answers.ndjson and result.json beside it. What goes wrong is told in result.json.
"""

import importlib
import json
import math
import os
import sys
import traceback

CHUNK = 10_000
OPSETS = {"": 17, "ai.onnx.ml": 3}
FLOAT, INTEGER, STRING, BOOLEAN = "number", "integer", "string", "boolean"


class CannotConvert(Exception):
    pass


def load(folder, flavor, conf):
    def unpickle(path, how):
        with open(path, "rb") as file:
            if how == "skops":
                from skops import io

                return io.load(path, trusted=io.get_untrusted_types(file=path))
            try:
                loader = importlib.import_module("cloudpickle")
            except ImportError:
                loader = importlib.import_module("pickle")
            return loader.load(file)

    if flavor == "sklearn":
        return unpickle(os.path.join(folder, conf["pickled_model"]), conf.get("serialization_format"))
    path = os.path.join(folder, conf.get("data", "model." + {"lightgbm": "lgb", "xgboost": "xgb"}[flavor]))
    module, _, name = conf.get("model_class", "").rpartition(".")
    if flavor == "lightgbm":
        if name and name != "Booster":
            return unpickle(path, "cloudpickle")
        return importlib.import_module("lightgbm").Booster(model_file=path)
    model = getattr(importlib.import_module(module or "xgboost"), name or "Booster")()
    model.load_model(path)
    return model


def frames(path, columns):
    """The rows in parts, as data frames with one column for each input."""
    import pandas

    def frame(rows):
        made = {}
        for name, kind in columns:
            values = [row.get(name) for row in rows]
            if kind in (FLOAT, INTEGER) and any(v is None for v in values):
                made[name] = pandas.Series([math.nan if v is None else float(v) for v in values], dtype="float64")
            elif kind == FLOAT:
                made[name] = pandas.Series([float(v) for v in values], dtype="float64")
            elif kind == INTEGER:
                made[name] = pandas.Series([int(v) for v in values], dtype="int64")
            elif kind == BOOLEAN:
                made[name] = pandas.Series(values, dtype="bool" if None not in values else "object")
            else:
                made[name] = pandas.Series(values, dtype="object")
        return pandas.DataFrame(made)

    rows = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            rows.append(json.loads(line, parse_constant=lambda _: None))
            if len(rows) == CHUNK:
                yield [r["n"] for r in rows], frame(rows)
                rows = []
    if rows:
        yield [r["n"] for r in rows], frame(rows)


def is_booster(model):
    return type(model).__name__ == "Booster"


def is_classifier(model):
    if is_booster(model):
        if type(model).__module__.startswith("xgboost"):
            objective = json.loads(model.save_config())["learner"]["objective"]["name"]
            return objective in ("binary:logistic", "multi:softprob")
        objective = str(model.dump_model().get("objective", "")).split(" ")[0]
        return objective in ("binary", "multiclass", "multiclassova", "cross_entropy")
    return hasattr(model, "predict_proba")


def answers(model, frame):
    """Score of the last class or the value, label, and how far the two likeliest classes are apart."""
    import numpy

    if is_booster(model):
        if type(model).__module__.startswith("xgboost"):
            matrix = importlib.import_module("xgboost").DMatrix(frame.astype("float32"))
            if model.feature_names is None:
                matrix.feature_names = None
            found = numpy.asarray(model.predict(matrix))
        else:
            found = numpy.asarray(model.predict(frame.to_numpy(dtype="float64")))
        if not is_classifier(model):
            return found.ravel(), None, None
        classes = found if found.ndim == 2 else numpy.stack([1 - found, found], axis=1)
        labels = classes.argmax(axis=1)
    elif is_classifier(model):
        classes, labels = numpy.asarray(model.predict_proba(frame)), numpy.asarray(model.predict(frame)).ravel()
    else:
        return numpy.asarray(model.predict(frame), dtype="float64").ravel(), None, None
    ordered = numpy.sort(classes, axis=1)
    margins = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0)
    return classes[:, -1], labels, margins


def write_answers(model, rows, columns, path):
    count = 0
    with open(path, "w", encoding="utf-8") as out:
        for numbers, frame in frames(rows, columns):
            scores, labels, margins = answers(model, frame)
            for i, n in enumerate(numbers):
                line = {"n": n, "score": float(scores[i]) if math.isfinite(scores[i]) else None}
                if labels is not None:
                    label = labels[i].item() if hasattr(labels[i], "item") else labels[i]
                    line.update(label=str(int(label) if isinstance(label, bool) else label), margin=float(margins[i]))
                out.write(json.dumps(line) + "\n")
                count += 1
    return count


def register_boosters():
    """Makes LightGBM and XGBoost estimators known inside scikit-learn pipelines."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as of_classes
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as of_values

    for package, kinds in (("lightgbm", ("LGBMClassifier", "LGBMRegressor")), ("xgboost", ("XGBClassifier", "XGBRegressor"))):
        if package not in sys.modules:
            continue
        convert = importlib.import_module(f"onnxmltools.convert.{package}.operator_converters." + {"lightgbm": "LightGbm", "xgboost": "XGBoost"}[package])
        converter = getattr(convert, {"lightgbm": "convert_lightgbm", "xgboost": "convert_xgboost"}[package])
        for name in kinds:
            classes = name.endswith("Classifier")
            update_registered_converter(
                getattr(sys.modules[package], name),
                package + name,
                of_classes if classes else of_values,
                converter,
                options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if classes else None,
            )


def reads_columns(model):
    """Whether the model takes its columns apart by name or place, so that each has to arrive by itself."""
    names = {type(model).__name__, *(type(step).__name__ for _, step in getattr(model, "steps", []))}
    return "ColumnTransformer" in names


def converted(model, initial):
    """The ONNX model for inputs of these types. Each converter is asked as its package documents it."""
    if type(model).__module__.startswith("lightgbm") or type(model).__module__.startswith("xgboost"):
        import onnxmltools

        if type(model).__module__.startswith("lightgbm"):
            return onnxmltools.convert_lightgbm(model, initial_types=initial, target_opset=15, zipmap=False)
        if is_booster(model) and model.feature_names is not None:
            model.feature_names = [f"f{i}" for i in range(model.num_features())]
        elif not is_booster(model) and model.get_booster().feature_names is not None:
            # The converter knows features by their place.
            model.get_booster().feature_names = [f"f{i}" for i in range(model.get_booster().num_features())]
        return onnxmltools.convert_xgboost(model, initial_types=initial, target_opset=15)
    from skl2onnx import convert_sklearn

    register_boosters()
    return convert_sklearn(model, initial_types=initial, target_opset=OPSETS, options={id(model): {"zipmap": False}} if is_classifier(model) else None)


def onnx_type(kind, width):
    from onnxmltools.convert.common.data_types import FloatTensorType as BoosterFloats
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    types = {FLOAT: FloatTensorType, BOOLEAN: FloatTensorType, INTEGER: Int64TensorType, STRING: StringTensorType, "booster": BoosterFloats}
    return types[kind]([None, width])


def by_column(model, columns):
    try:
        return converted(model, [(name, onnx_type(kind, 1)) for name, kind in columns])
    except Exception:
        if not any(kind == INTEGER for _, kind in columns):
            raise
        # Some converters join columns of one type only; a whole number is a number, too.
        return converted(model, [(name, onnx_type(FLOAT if kind == INTEGER else kind, 1)) for name, kind in columns])


def by_matrix(model, columns):
    """The model reads one matrix: its columns are put together in front of it."""
    from onnx import TensorProto, compose, helper

    kinds = {STRING if kind == STRING else FLOAT for _, kind in columns}
    if len(kinds) > 1:
        raise CannotConvert("it reads texts beside numbers without a ColumnTransformer, which no converter takes apart")
    is_text = kinds == {STRING}
    booster = type(model).__module__.split(".")[0] in ("lightgbm", "xgboost")
    if is_text and booster:
        raise CannotConvert("it reads texts itself, and the converter knows numbers only")
    width = len(columns)
    model_onnx = converted(model, [("matrix", onnx_type("booster" if booster else STRING if is_text else FLOAT, width))])
    if not any(opset.domain == "" for opset in model_onnx.opset_import):
        model_onnx.opset_import.append(helper.make_opsetid("", 15))
    element = TensorProto.STRING if is_text else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(name, element, [None, 1]) for name, _ in columns]
    front = helper.make_model(
        helper.make_graph(
            [helper.make_node("Concat", [name for name, _ in columns], ["joined_columns"], axis=1)],
            "columns",
            inputs,
            [helper.make_tensor_value_info("joined_columns", element, [None, width])],
        ),
        opset_imports=model_onnx.opset_import,
        ir_version=model_onnx.ir_version,
    )
    return compose.merge_models(front, model_onnx, io_map=[("joined_columns", "matrix")], prefix2="model_")


def with_outputs(model_onnx, classifier, score):
    """Names the outputs as those who serve the model look for them; others are left out."""
    from onnx import TensorProto, helper

    graph = model_onnx.graph
    is_label = lambda o: o.name.removeprefix("model_") in ("label", "output_label") or o.type.tensor_type.elem_type in (TensorProto.INT64, TensorProto.STRING)
    labels = [o for o in graph.output if is_label(o)] if classifier else []
    scores = [o for o in graph.output if o not in labels]
    if len(scores) != 1 or len(labels) != (1 if classifier else 0) or not scores[0].type.HasField("tensor_type"):
        raise CannotConvert(f"its outputs came out as {', '.join(o.name for o in graph.output)}, and one with the scores is needed")
    wanted = [(scores[0], score), *((o, "label") for o in labels)]
    del graph.output[:]
    taken = {name for node in graph.node for name in (*node.input, *node.output)} | {i.name for i in graph.input}
    for old, new in wanted:
        if old.name != new:
            if new in taken:
                raise CannotConvert(f'the name "{new}" of its score is that of one of its inputs')
            graph.node.append(helper.make_node("Identity", [old.name], [new]))
        old.name = new
        graph.output.append(old)
    return model_onnx


def main(folder):
    with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
        spec = json.load(file)
    result = {}
    try:
        model = load(spec["model"], spec["flavor"], spec["conf"])
        kinds = dict(spec["columns"])
        names = [str(n) for n in getattr(model, "feature_names_in_", [])] or [n for n, _ in spec["columns"]]
        lacking = [n for n in names if n not in kinds]
        if lacking:
            raise CannotConvert(f"it was fitted on columns that the rows do not have: {', '.join(lacking)}")
        columns = [(n, kinds[n]) for n in names]
        rows = write_answers(model, spec["rows"], columns, os.path.join(folder, "answers.ndjson"))
        classifier = is_classifier(model)
        score = spec["score"] or ("probabilities" if classifier else "variable")
        made = by_column(model, columns) if reads_columns(model) else by_matrix(model, columns)
        made = with_outputs(made, classifier, score)
        import onnx

        onnx.checker.check_model(made)
        onnx.save(made, os.path.join(folder, "model.onnx"))
        result = {"ok": True, "rows": rows, "classifier": classifier, "score": score, "columns": names, "onnx": onnx.__version__}
    except CannotConvert as error:
        result = {"ok": False, "why": str(error)}
    except Exception as error:
        traceback.print_exc()
        text = str(error).strip().split("\n")[0][:500]
        result = {"ok": False, "why": f"{type(error).__name__}: {text}"}
    with open(os.path.join(folder, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)


main(sys.argv[1])
