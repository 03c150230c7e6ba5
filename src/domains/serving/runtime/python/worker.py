"""A model in its own environment: reads batches from a socket, predicts, writes what came out.

Started by worker-process.ts with the interpreter of the model's environment, and it needs nothing but what is there: numpy,
pandas for models of columns, and mlflow where the model's flavor needs it. Frames are described in frames.ts and adr/0049.
"""

import ast
import base64
import ctypes
import importlib
import inspect
import json
import os
import re
import resource
import signal
import socket
import sys
import time
import traceback

# The protocol has a socket of its own. What the model prints, from Python or from C, is a log line.
CHANNEL = 3
ALIGN = 8

# The server is told of the model's failures; a reader that is gone must end this process, whatever the model does.
signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stay(number, _frame, own=os.getpid()):
    """A terminal and a container send a signal to everybody; whoever started this process lets it finish what it has."""
    if os.getpid() != own:  # A process that the model forked is to be ended by it.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, _stay)

try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; Linux only
except Exception:
    pass

np = None
pd = None

DTYPES = {
    "float16": "<f2", "float32": "<f4", "float64": "<f8",
    "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "uint8": "<u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    "bool": "?",
}  # fmt: skip
NAMES = {}

# MLflow's column types, as pandas has them.
COLUMN_DTYPES = {"boolean": "?", "integer": "<i4", "long": "<i8", "float": "<f4", "double": "<f8"}


class InputError(Exception):
    """The caller's doing: the text is meant for the caller."""


# ---------------------------------------------------------------------------------------------- frames


class Channel:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.buffer = b""

    def receive(self):
        """The next header and its body; None when the server is gone."""
        prefix = self._take(8)
        if prefix is None:
            return None
        head = int.from_bytes(prefix[:4], "little")
        size = int.from_bytes(prefix[4:], "little")
        # One buffer of its own for each frame: a model may keep what it is given.
        whole = self._take(head + size)
        if whole is None:
            return None
        view = memoryview(whole)
        return json.loads(bytes(view[:head])), view[head:]

    def _take(self, count):
        if len(self.buffer) < count:
            chunks = [self.buffer]
            have = len(self.buffer)
            while have < count:
                chunk = self.socket.recv(max(65536, min(count - have, 1 << 22)))
                if not chunk:
                    return None
                chunks.append(chunk)
                have += len(chunk)
            self.buffer = b"".join(chunks)
        taken = bytearray(self.buffer[:count])
        self.buffer = self.buffer[count:]
        return taken

    def send(self, header, parts=()):
        """`parts` are arrays of bytes, each padded to a multiple of eight."""
        head = json.dumps(header, separators=(",", ":")).encode()
        head += b" " * (-len(head) % ALIGN)
        pieces = [head]
        size = 0
        for part in parts:
            padding = -len(part) % ALIGN
            pieces.append(part)
            if padding:
                pieces.append(b"\0" * padding)
            size += len(part) + padding
        prefix = len(head).to_bytes(4, "little") + size.to_bytes(4, "little")
        self.socket.sendall(b"".join([prefix, *pieces]))


def read_texts(body, offset, size, count):
    """`count` lengths as int32 (-1 is missing), then UTF-8."""
    lengths = np.frombuffer(body, "<i4", count, offset).tolist()
    at = offset + 4 * count + (-(4 * count) % ALIGN)
    texts = np.empty(count, dtype=object)
    for i, length in enumerate(lengths):
        if length < 0:
            texts[i] = None
        else:
            texts[i] = str(body[at : at + length], "utf-8")
            at += length
    return texts


def write_texts(values):
    encoded = [None if v is None else v.encode("utf-8", "replace") for v in values]
    lengths = np.array([-1 if e is None else len(e) for e in encoded], dtype="<i4").tobytes()
    return b"".join([lengths, b"\0" * (-len(lengths) % ALIGN), *(e for e in encoded if e is not None)])


def read_part(part, body):
    """One tensor, or several columns of one type as one tensor of shape [columns, rows]."""
    kind, _, shape, offset, size = part
    count = 1
    for n in shape:
        count *= n
    if kind == "string":
        return read_texts(body, offset, size, count).reshape(shape)
    return np.frombuffer(body, DTYPES[kind], count, offset).reshape(shape)


# ---------------------------------------------------------------------------------------------- inputs


class Columns:
    """Inputs that are columns: a DataFrame with the types of the signature."""

    def __init__(self, specs):
        self.specs = specs
        self.names = [spec["name"] for spec in specs]
        self.layouts = {}

    def make(self, header, body):
        rows = header["rows"]
        parts = header["parts"]
        arrays = {}
        for part in parts:
            block = read_part(part, body)
            indexes = part[1]
            if part[2] != [len(indexes), rows]:
                block = block.reshape(len(indexes), rows)
            # All columns of one type that need no cast: the frame is a view of the block, without a copy.
            if len(parts) == 1 and part[0] != "string" and all(self.wanted(i) in (None, DTYPES[part[0]]) for i in indexes):
                return pd.DataFrame(block.T, columns=self.labels(indexes), copy=False)
            for row, i in enumerate(indexes):
                arrays[i] = self.cast(i, block[row])
        order = sorted(arrays)
        return frame_of([arrays[i] for i in order], self.labels(order), rows)

    def wanted(self, index):
        return COLUMN_DTYPES.get(self.specs[index]["type"], "")

    def labels(self, indexes):
        key = tuple(indexes)
        found = self.layouts.get(key)
        if found is None:
            found = self.layouts[key] = pd.Index([self.names[i] for i in indexes])
        return found

    def cast(self, index, values):
        spec = self.specs[index]
        return cast_column(spec["name"], spec["type"], values)


class Untyped:
    """Without a signature: columns become a DataFrame, one tensor an array, several a dictionary of arrays."""

    def make(self, header, body):
        names = header["names"]
        arrays = {}
        for part in header["parts"]:
            block = read_part(part, body)
            if len(part[1]) == 1:
                arrays[part[1][0]] = block
            else:
                for row, i in enumerate(part[1]):
                    arrays[i] = block[row]
        order = sorted(arrays)
        rows = header["rows"]
        flat = [arrays[i].reshape(rows) for i in order if arrays[i].size == rows and arrays[i].ndim <= 2]
        if pd is not None and len(flat) == len(order) and not header.get("tensor"):
            return frame_of(flat, pd.Index([names[i] for i in order]), rows)
        if len(order) == 1:
            return arrays[order[0]]
        return {names[i]: arrays[i] for i in order}


class Tensors:
    def __init__(self, specs):
        self.specs = specs

    def make(self, header, body):
        made = {}
        for part in header["parts"]:
            block = read_part(part, body)
            spec = self.specs[part[1][0]]
            wanted = spec["tensor-spec"]["dtype"]
            if wanted in ("str", "object"):
                made[spec.get("name")] = block
            else:
                made[spec.get("name")] = cast_numbers(spec.get("name") or "input", block, np.dtype(wanted))
        # MLflow's rule: one tensor without a name is given as it is, named ones as a dictionary.
        if len(self.specs) == 1 and self.specs[0].get("name") is None:
            return made[None]
        return made


class Hinted:
    """A signature made from a type hint: the model takes a list of values and checks them itself."""

    def __init__(self, specs):
        self.columns = Columns([{**spec, "name": spec.get("name") or "input"} for spec in specs])

    def make(self, header, body):
        frame = self.columns.make(header, body)
        if len(frame.columns) == 1:
            return frame.iloc[:, 0].tolist()
        return frame.to_dict("records")


def frame_of(arrays, labels, rows):
    if not arrays:
        return pd.DataFrame(index=range(rows))
    frame = pd.DataFrame(dict(enumerate(arrays)), copy=False)
    frame.columns = labels
    return frame


def cast_column(name, kind, values):
    if kind in COLUMN_DTYPES:
        if values.dtype == object:
            raise InputError(f'the column "{name}" must be {kind}, and texts came')
        return cast_numbers(name, values, np.dtype(COLUMN_DTYPES[kind]))
    if kind == "string":
        if values.dtype != object:
            raise InputError(f'the column "{name}" must be string, and {values.dtype} came')
        return values
    if values.dtype != object:
        raise InputError(f'the column "{name}" must be sent as text, and {values.dtype} came')
    try:
        if kind == "datetime":
            if all(isinstance(v, str) and v.lstrip("-").isdigit() and len(v) > 8 for v in values):
                return np.array([int(v) for v in values], dtype="datetime64[ns]")  # nanoseconds since 1970
            times = pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601", utc=True)
            return times.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
        read = base64.b64decode if kind == "binary" else json.loads
        out = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            out[i] = None if value is None else read(value)
        return out
    except ValueError:
        form = {"datetime": "an ISO time", "binary": "base64"}.get(kind, "JSON")
        raise InputError(f'the column "{name}" must be {form}') from None


def cast_numbers(name, values, wanted):
    """Takes what keeps the value; a fraction is no whole number, and 300 no int8."""
    if values.dtype == wanted:
        return values
    if values.dtype == object:
        raise InputError(f'"{name}" must be {wanted.name}, and texts came')
    if wanted.kind == "f" and values.dtype.kind in "fiub":
        return values.astype(wanted)
    with np.errstate(invalid="ignore"):
        made = values.astype(wanted)
    if wanted.kind == "b" and values.dtype.kind != "b" or not np.array_equal(made, values):
        raise InputError(f'"{name}" must be {wanted.name}, and {values.dtype.name} came that it cannot hold')
    return made


PARAM_TYPES = {"string": str, "boolean": bool, "integer": int, "long": int, "float": float, "double": float}


def read_params(given, schema):
    """Declared parameters with their defaults, as MLflow fills them in; what is not declared is left out."""
    made = {}
    for spec in schema:
        name = spec["name"]
        if name not in given:
            made[name] = spec.get("default")
            continue
        value = given[name]
        kind = spec.get("type") or spec.get("dtype")
        many = spec.get("shape") is not None
        if many != isinstance(value, list) and kind in PARAM_TYPES:
            raise InputError(f'the parameter "{name}" must be {"a list of " if many else ""}{kind}')
        wanted = PARAM_TYPES.get(kind)
        if wanted is not None:
            values = [read_param(name, kind, wanted, v) for v in (value if many else [value])]
            value = values if many else values[0]
        elif kind == "datetime":
            value = np.datetime64(value)
        made[name] = value
    return made


def read_param(name, kind, wanted, value):
    fits = {
        str: isinstance(value, str),
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, (int, float)) and not isinstance(value, bool),
    }[wanted]
    if not fits:
        raise InputError(f'the parameter "{name}" must be {kind}')
    return wanted(value)


# ---------------------------------------------------------------------------------------------- outputs


def outputs_of(result, names):
    """What came out as named tensors: (form, [(name, array)]). `form` says what it was, for who writes it as MLflow does."""
    if pd is not None and isinstance(result, pd.DataFrame):
        return "records", [(str(column), plain(result[column])) for column in result.columns]
    if isinstance(result, dict):
        return "dict", [(str(key), plain(value)) for key, value in result.items()]
    alone = names[0] if len(names) == 1 else "predictions"
    return "values", [(alone, plain(result))]


def plain(value):
    """A numpy array of numbers, booleans or objects."""
    if pd is not None and isinstance(value, (pd.Series, pd.Index)):
        if isinstance(value.dtype, pd.CategoricalDtype):
            value = value.astype(value.cat.categories.dtype if isinstance(value, pd.Series) else object)
        if pd.api.types.is_datetime64_any_dtype(value.dtype):
            value = value.astype(object)
        elif pd.api.types.is_extension_array_dtype(value.dtype):
            numeric = pd.api.types.is_numeric_dtype(value.dtype) and not pd.api.types.is_bool_dtype(value.dtype)
            value = value.to_numpy(dtype="float64", na_value=np.nan) if numeric and value.hasnans else value.to_numpy()
            if value.dtype == object and numeric:
                value = value.astype("float64")
        else:
            value = value.to_numpy()
    if hasattr(value, "toarray"):
        value = value.toarray()
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    if not isinstance(value, np.ndarray):
        value = array_of(value)
    if value.ndim == 0:
        value = value.reshape(1)
    if value.dtype.kind in "mM":
        value = np.datetime_as_string(value) if value.dtype.kind == "M" else value.astype("int64")
    if value.dtype.kind in "US":
        value = value.astype(object)
    if value.dtype == object:
        value = numbers_of(value)
    if value.dtype.kind in "fiu" and value.dtype.itemsize > 8:
        value = value.astype("float64")
    return value


def array_of(value):
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        value = [value]
    value = list(value)
    # Rows that are lists of different lengths, dictionaries or texts stay what they are.
    if all(isinstance(v, (int, float, bool, np.generic)) for v in value):
        return np.asarray(value)
    try:
        made = np.asarray(value)
        if made.dtype.kind in "fiubmM":
            return made
    except ValueError:
        pass
    made = np.empty(len(value), dtype=object)
    for i, v in enumerate(value):
        made[i] = v
    return made


def numbers_of(value):
    """Objects that are all numbers or missing become numbers."""
    flat = value.ravel().tolist()
    if flat and all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in flat):
        return np.array([np.nan if v is None else v for v in flat], dtype="float64").reshape(value.shape)
    if flat and all(isinstance(v, bool) for v in flat):
        return value.astype(bool)
    return value


def jsonable(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return str(value)


def text_of(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "isoformat"):
        return None if value is pd.NaT else value.isoformat()
    return json.dumps(value, default=jsonable)


def encode(named):
    """Descriptions [name, type, shape, length in bytes, is JSON] and the bytes."""
    described, parts = [], []
    for name, array in named:
        if array.dtype == object:
            flat = array.ravel().tolist()
            is_json = any(not (v is None or isinstance(v, (str, bytes)) or hasattr(v, "isoformat")) for v in flat)
            texts = [json.dumps(v, default=jsonable) for v in flat] if is_json else [text_of(v) for v in flat]
            kind, part = "string", write_texts(texts)
        else:
            little = array.dtype.newbyteorder("<")
            kind = NAMES.get(little.str.replace("|", "<"))
            if kind is None:
                raise TypeError(f"the model returned values of type {array.dtype}, which cannot be sent")
            is_json, part = False, np.ascontiguousarray(array, dtype=little).tobytes()
        described.append([name, kind, list(array.shape), len(part), is_json])
        parts.append(part)
    return described, parts


# ---------------------------------------------------------------------------------------------- models


def load_model(folder, spec):
    """The function that predicts, and whether it takes parameters. By mlflow where it is, else by flavor."""
    flavors = spec["flavors"]
    try:
        import mlflow.pyfunc
    except ImportError:
        predict, version = load_flavor(folder, flavors), None
    else:
        version = mlflow.__version__
        model = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
        # The frame has the signature's types already; enforcing them again costs milliseconds for each batch.
        predict = getattr(model, "_predict_fn", None)
        if predict is None or spec.get("fromExample"):
            return model.predict, True, version
    try:
        params = inspect.signature(predict).parameters.get("params")
        takes_params = params is not None and params.kind is not inspect.Parameter.VAR_KEYWORD
    except (TypeError, ValueError):
        takes_params = False
    return predict, takes_params, version


def load_flavor(folder, flavors):
    pyfunc = flavors.get("python_function") or {}
    code = pyfunc.get("code")
    if code:
        sys.path.insert(0, os.path.join(folder, code))

    def path(*names):
        for name in names:
            if name and os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        raise RuntimeError("the file of the model is not where its MLmodel file says")

    def unpickle(file):
        if file.endswith(".skops"):
            from skops.io import get_untrusted_types, load

            return load(file, trusted=get_untrusted_types(file=file))
        with open(file, "rb") as stream:
            try:
                import cloudpickle as pickle
            except ImportError:
                import pickle
            return pickle.load(stream)

    for name in ("sklearn", "lightgbm", "xgboost", "catboost"):
        if name not in flavors:
            continue
        flavor = flavors[name]
        if name == "sklearn":
            model = unpickle(path(flavor.get("pickled_model"), "model.pkl", "model.skops"))
            return getattr(model, pyfunc.get("predict_fn", "predict"))
        file = path(flavor.get("data"), pyfunc.get("data"))
        model_class = flavor.get("model_class", "")
        if name == "lightgbm":
            import lightgbm

            return (lightgbm.Booster(model_file=file) if model_class.endswith(".Booster") or not model_class else unpickle(file)).predict
        if name == "xgboost":
            import xgboost

            if not model_class or model_class.endswith(".Booster"):
                booster = xgboost.Booster()
                booster.load_model(file)
                return lambda data: booster.predict(xgboost.DMatrix(data))
            module, _, attribute = model_class.rpartition(".")
            model = getattr(importlib.import_module(module), attribute)()
            model.load_model(file)
            return model.predict
        import catboost

        model = getattr(catboost, flavor.get("model_type", "CatBoost"))()
        model.load_model(file, flavor.get("save_format", "cbm"))
        return model.predict
    raise RuntimeError("mlflow is not in the model's environment, and without it only sklearn, lightgbm, xgboost and catboost models can be loaded")


def inputs_for(spec):
    signature = spec.get("signature")
    if not signature or not signature.get("inputs"):
        return Untyped()
    specs = signature["inputs"]
    if specs[0].get("type") == "tensor":
        return Tensors(specs)
    if signature.get("fromTypeHint"):
        return Hinted(specs)
    return Columns(specs)


def neutral(spec, inputs, example):
    """Two rows to warm up with: of the input example where there is one, else zeros and empty texts."""
    specs = (spec.get("signature") or {}).get("inputs") or []
    if isinstance(inputs, Tensors):
        made = {}
        for s in specs:
            shape = [1 if n < 0 else n for n in s["tensor-spec"]["shape"]]
            if s["tensor-spec"]["shape"][:1] == [-1]:
                shape[0] = 2
            made[s.get("name")] = np.zeros(shape, dtype=s["tensor-spec"]["dtype"])
            if shape[0] == 2 and made[s.get("name")].dtype.kind in "fiu":
                made[s.get("name")][1] = 1
        return made[None] if len(specs) == 1 and specs[0].get("name") is None else made
    columns = example.get("columns") if example else None
    rows = (example.get("data") or [])[:2] if columns else []
    rows = rows * 2 if len(rows) == 1 else rows
    if not specs:
        if rows:
            return pd.DataFrame(rows, columns=columns)
        return np.asarray(example["inputs"])[:2] if example and example.get("inputs") else None
    arrays = []
    for s in specs:
        kind, name = s["type"], s.get("name")
        cells = [row[columns.index(name)] for row in rows] if rows and name in columns else [None, None]
        if kind in COLUMN_DTYPES:
            # Rows that differ show a model that looks at more than one of them.
            arrays.append(np.array([i if v is None else v for i, v in enumerate(cells)]).astype(COLUMN_DTYPES[kind]))
        elif kind == "datetime":
            arrays.append(pd.to_datetime(pd.Series([0 if v is None else v for v in cells])).to_numpy(dtype="datetime64[ns]"))
        else:
            column = np.empty(2, dtype=object)
            for i, v in enumerate(cells):
                column[i] = "" if v is None and kind == "string" else v
            arrays.append(column)
    frame = frame_of(arrays, pd.Index([s.get("name") or "input" for s in specs]), 2)
    return frame.iloc[:, 0].tolist() if isinstance(inputs, Hinted) else frame


def head_of(data, count):
    if isinstance(data, dict):
        return {name: value[:count] for name, value in data.items()}
    return data.head(count) if pd is not None and isinstance(data, pd.DataFrame) else data[:count]


# Of these it is known that a row's answer does not depend on its neighbours.
ROW_WISE = {"sklearn", "lightgbm", "xgboost", "catboost", "statsmodels", "onnx"}


def warm_up(spec, inputs, example, names, call):
    """Runs the model a few times, and tells what comes out and whether rows are answered one by one."""
    known = True if ROW_WISE & set(spec["flavors"]) else None
    two = neutral(spec, inputs, example)
    if two is None:
        return {"rowWise": known}
    one = head_of(two, 1)
    call(one)
    before = time.perf_counter()
    answer = call(one)
    row_ms = round((time.perf_counter() - before) * 1000, 3)
    form, alone = outputs_of(answer, names)
    outputs = [[name, name_of(a), list(a.shape)] for name, a in alone]
    found = {"outputs": outputs, "form": form, "rowWise": known, "rowMs": row_ms}
    try:
        _, together = outputs_of(call(two), names)
        rows_fit = all(a.shape[:1] == (1,) for _, a in alone) and all(a.shape[:1] == (2,) for _, a in together)
        found["rowWise"] = rows_fit and (known or same_rows(alone, together))
    except Exception:
        found["rowWise"] = False
    return found


def same_rows(alone, together):
    if [name for name, _ in alone] != [name for name, _ in together]:
        return False
    for (_, a), (_, b) in zip(alone, together):
        if a.dtype == object or b.dtype == object:
            if a.tolist()[0] != b.tolist()[0]:
                return False
        elif not np.allclose(a[0], b[0], rtol=1e-6, equal_nan=True):
            return False
    return True


def name_of(array):
    return NAMES.get(array.dtype.newbyteorder("<").str.replace("|", "<"), "string")


def in_a_sentence(error, folder):
    """What a caller may read: the kind of the error and its first line, without paths of this machine."""
    text = str(error).strip().split("\n")[0]
    text = text.replace(folder, "")
    text = re.sub(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}", "a file", text)
    return f"{type(error).__name__}: {text}"[:400] if text else type(error).__name__


def main():
    global np, pd
    channel = Channel(CHANNEL)
    first = channel.receive()
    if first is None:
        return
    start = first[0]
    folder = start["folder"]
    spec = start["spec"]
    began = time.perf_counter()
    limit = start.get("memoryBytes")
    try:
        import numpy

        np = numpy
        try:
            import pandas

            pd = pandas
        except ImportError:
            pd = None
        NAMES.update({dtype if dtype != "?" else "<b1": name for name, dtype in DTYPES.items()})
        if limit:
            # Writable memory of its own, mapped or not. Above the limit that the server watches, so that one large step is a
            # MemoryError here before it is the machine's trouble.
            allowed = limit + limit // 2
            resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
        predict, takes_params, mlflow_version = load_model(folder, spec)
        inputs = inputs_for(spec)
        if pd is None and not isinstance(inputs, (Tensors, Untyped)):
            raise RuntimeError("pandas is not in the model's environment, and its inputs are columns")
    except BaseException as error:
        channel.send({"do": "failed", "why": in_a_sentence(error, folder), "trace": traceback.format_exc()})
        return
    signature = spec.get("signature") or {}
    names = [o.get("name") or "predictions" for o in signature.get("outputs") or []]
    schema = signature.get("params")

    def call(data, params):
        if not takes_params:
            return predict(data)
        return predict(data, params=params)

    warm = {"outputs": None, "form": None, "rowWise": None, "rowMs": None, "warmUpFailed": None}
    try:
        warm.update(warm_up(spec, inputs, start.get("example"), names, lambda data: call(data, read_params({}, schema) if schema is not None else None)))
    except Exception as error:
        # A model need not take zeros; it is asked with real rows soon enough.
        warm["warmUpFailed"] = in_a_sentence(error, folder)
    channel.send({
        "do": "ready",
        **warm,
        "python": sys.version.split()[0],
        "mlflow": mlflow_version,
        "loadMs": round((time.perf_counter() - began) * 1000),
    })  # fmt: skip

    while True:
        frame = channel.receive()
        if frame is None:
            return
        header, body = frame
        if header["do"] == "ping":
            channel.send({"do": "pong", "id": header["id"]})
            continue
        kind = "input"
        try:
            params = header.get("params")
            if schema is not None:
                params = read_params(params or {}, schema)
            else:
                params = None
            if not header.get("parts"):
                raise InputError("it has no inputs")
            data = inputs.make(header, body)
            kind = "model"
            before = time.perf_counter()
            result = call(data, params)
            us = round((time.perf_counter() - before) * 1e6)
            form, named = outputs_of(result, names)
            described, parts = encode(named)
            channel.send({"do": "done", "id": header["id"], "form": form, "outputs": described, "us": us}, parts)
        except MemoryError:
            channel.send({"do": "error", "id": header["id"], "kind": "memory", "why": "MemoryError", "trace": traceback.format_exc()})
        except InputError as error:
            channel.send({"do": "error", "id": header["id"], "kind": "input", "why": str(error)})
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # SystemExit too: a model that calls exit() has failed on this batch, not ended its process.
            channel.send({"do": "error", "id": header["id"], "kind": kind, "why": in_a_sentence(error, folder), "trace": traceback.format_exc()})
        data = result = named = parts = body = frame = None


if __name__ == "__main__":
    main()
