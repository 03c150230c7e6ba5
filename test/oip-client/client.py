"""tritonclient, unmodified, against models that hand back what they get: client.py http|grpc ADDRESS.

Prints one line for each check that passed; the first that fails ends it.
"""
import importlib
import sys

import numpy as np
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

kind, address = sys.argv[1:]
tc = importlib.import_module(f"tritonclient.{kind}")
client = tc.InferenceServerClient(address, **({"network_timeout": 30, "connection_timeout": 30} if kind == "http" else {}))
passed = 0


def check(name, ok):
    global passed
    if not ok:
        sys.exit(f"{kind}: {name}")
    passed += 1
    print(f"ok {name}", flush=True)


def refused(name, call, status, words):
    try:
        call()
    except InferenceServerException as error:
        check(name, error.status() == status and words in error.message())
        return
    sys.exit(f"{kind}: {name} was not refused")


def request(values, binary=True, name="x"):
    tensor = tc.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    if kind == "http":
        tensor.set_data_from_numpy(values, binary_data=binary)
    else:
        tensor.set_data_from_numpy(values)
    return tensor


def output(name="x_out", binary=True):
    return tc.InferRequestedOutput(name, binary_data=binary) if kind == "http" else tc.InferRequestedOutput(name)


def ends(dtype):
    info = np.iinfo(dtype)
    return np.array([[info.min, 0, 1, info.max]], dtype)


floats = [[0.1, -0.0, 1e-7, 3.25]]
cases = {
    "bool": np.array([[True, False, True]]),
    **{f"{sign}int{bits}": ends(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "fp16": np.array(floats, np.float16),
    "fp32": np.array(floats, np.float32),
    "fp64": np.array(floats, np.float64),
    "bytes": np.array([["", "plain", "grüße \u2713", "x" * 70000]], object),
}


def same(a, b):
    if a is None or a.shape != b.shape:
        return False
    if b.dtype == object:
        return [t.decode() if isinstance(t, bytes) else t for t in a.flat] == list(b.flat)
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


check("live", client.is_server_live())
check("ready", client.is_server_ready())
check("model ready", client.is_model_ready("identity-fp32") and client.is_model_ready("versions", "v9"))
check("unknown model", not client.is_model_ready("none"))
server = client.get_server_metadata()
check("server", (server["name"] if kind == "http" else server.name) == "gyre")
model = client.get_model_metadata("fixed") if kind == "http" else client.get_model_metadata("fixed", as_json=True)
check("model", model["inputs"][0]["datatype"] == "INT32" and [int(d) for d in model["inputs"][0]["shape"]] == [-1, 2, 2])

for name, values in cases.items():
    for inputs_binary in (True, False) if kind == "http" else (True,):
        for outputs_binary in (True, False) if kind == "http" else (True,):
            if name == "fp16" and not (inputs_binary and outputs_binary):
                continue
            result = client.infer(f"identity-{name}", [request(values, inputs_binary)], outputs=[output(binary=outputs_binary)], request_id="7")
            reply = result.get_response()
            check(f"{name} {inputs_binary} {outputs_binary}", same(result.as_numpy("x_out"), values))
            check(f"{name} id", (reply["id"] if kind == "http" else reply.id) == "7")
    result = client.infer(f"identity-{name}", [request(values)])
    check(f"{name} all outputs", same(result.as_numpy("x_out"), values))

nan = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
check("nan", same(client.infer("identity-fp32", [request(nan)]).as_numpy("x_out"), nan))
large = np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000)
check("large", same(client.infer("identity-fp32", [request(large)]).as_numpy("x_out"), large))
empty = np.zeros((0, 3), np.int64)
check("no rows", same(client.infer("identity-int64", [request(empty)]).as_numpy("x_out"), empty))

every = [request(values.reshape(-1)[:3], name=name) for name, values in cases.items()]
result = client.infer("all", every, outputs=[output(f"{name}_out") for name in reversed(cases)])
check("all of them", all(same(result.as_numpy(f"{name}_out"), values.reshape(-1)[:3]) for name, values in cases.items()))

one = [request(np.zeros((1, 2, 2), np.int32))]
for version, answers in (("", "v10"), ("v1.2.3", "v1.2.3"), ("1", "1")):
    reply = client.infer("versions", one, model_version=version).get_response()
    check(f"version {answers}", (reply["model_version"] if kind == "http" else reply.model_version) == answers)

invalid, missing = ("400", "404") if kind == "http" else ("StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND")
refused("unknown model", lambda: client.infer("none", one), missing, "none")
refused("unknown version", lambda: client.infer("versions", one, model_version="2"), missing, "version")
refused("unknown output", lambda: client.infer("fixed", one, outputs=[output("nope")]), invalid, "nope")
refused("unknown input", lambda: client.infer("fixed", [request(np.zeros((1, 2, 2), np.int32), name="y")]), invalid, "missing")
refused("wrong datatype", lambda: client.infer("fixed", [request(np.zeros((1, 2, 2), np.float32))]), invalid, "takes INT32")
refused("wrong shape", lambda: client.infer("fixed", [request(np.zeros((1, 3, 2), np.int32))]), invalid, "shape")
refused("metadata of none", lambda: client.get_model_metadata("none"), missing, "none")

if kind == "http":
    for algorithm in ("gzip", "deflate"):
        result = client.infer("identity-fp32", [request(large)], request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        check(algorithm, same(result.as_numpy("x_out"), large))
else:
    for algorithm in ("gzip", "deflate"):
        result = client.infer("identity-fp32", [request(large)], compression_algorithm=algorithm)
        check(algorithm, same(result.as_numpy("x_out"), large))

calls = [client.async_infer("identity-int32", [request(np.full((1, 4), i, np.int32))]) for i in range(50)] if kind == "http" else []
for i, call in enumerate(calls):
    check(f"at once {i}", (call.get_result().as_numpy("x_out") == i).all())

columns = [
    request(np.array([["EWR"], ["JFK"]], object), name="origin"),
    request(np.array([["UA"], ["AA"]], object), name="carrier"),
    request(np.array([[20], [3]], np.int64), name="hour"),
]
result = client.infer("late-arrival", columns)
check("endpoint", result.as_numpy("probabilities").shape == (2, 2) and result.as_numpy("label").dtype == np.int64)
print(f"passed {passed}")
