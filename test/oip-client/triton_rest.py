"""Every other method of tritonclient, unmodified, and its asynchronous clients: triton_rest.py http|grpc ADDRESS."""
import asyncio
import importlib
import queue
import sys

import numpy as np
from tritonclient.utils import InferenceServerException

kind, address = sys.argv[1:]
tc = importlib.import_module(f"tritonclient.{kind}")
aio = importlib.import_module(f"tritonclient.{kind}.aio")
passed = 0


def check(name, ok):
    global passed
    if not ok:
        sys.exit(f"{kind}: {name}")
    passed += 1
    print(f"ok {name}", flush=True)


def text(error):
    return f"{error.status()} {error.message()}"


def input_of(client, values, datatype):
    tensor = client.InferInput("x", list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def model_of(reply, *path):
    for step in path:
        reply = reply[step] if isinstance(reply, (dict, list)) else getattr(reply, step) if isinstance(step, str) else reply[step]
    return reply


numbers = np.array([[1, 2, 3]], np.int32)


def management(client):
    config = client.get_model_config("fixed")
    config = config if kind == "http" else config.config
    check("config", model_of(config, "name") == "fixed" and list(model_of(config, "input", 0, "dims")) == [-1, 2, 2])
    check("config type", model_of(config, "input", 0, "data_type") in ("TYPE_INT32", 8))
    for _ in range(3):
        client.infer("identity-int32", [input_of(tc, numbers, "INT32")])
    stats = client.get_inference_statistics("identity-int32")
    one = model_of(stats, "model_stats", 0)
    check("statistics", model_of(one, "inference_count") >= 3 and model_of(one, "inference_stats", "success", "ns") > 0)
    check("all statistics", len(model_of(client.get_inference_statistics(), "model_stats")) > 15)
    index = client.get_model_repository_index()
    index = index if kind == "http" else index.models
    check("index", {"late-arrival", "fixed", "versions"} <= {model_of(m, "name") for m in index})

    client.unload_model("text")
    check("unloaded", not client.is_model_ready("text"))
    client.load_model("text")
    check("loaded", client.is_model_ready("text"))
    for name, call in (
        ("load of none", lambda: client.load_model("none")),
        ("another configuration", lambda: client.load_model("text", config="{}")),
        ("uploaded files", lambda: client.load_model("text", config="{}", files={"file:1/model.onnx": b"x"})),
    ):
        try:
            call()
            sys.exit(f"{kind}: {name} was not refused")
        except InferenceServerException as error:
            check(name, "none not found" in text(error) if name == "load of none" else "cannot be used here" in text(error))

    trace = client.get_trace_settings() if kind == "http" else client.get_trace_settings(as_json=True)
    check("trace", "OFF" in str(trace))
    client.update_trace_settings()
    check("log", "log_info" in str(client.get_log_settings()))
    check("no shared memory", not (client.get_system_shared_memory_status() if kind == "http" else client.get_system_shared_memory_status().regions))
    client.get_cuda_shared_memory_status()
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    try:
        client.register_system_shared_memory("a", "/a", 8)
        sys.exit(f"{kind}: shared memory was taken")
    except InferenceServerException as error:
        check("shared memory", ("501" if kind == "http" else "UNIMPLEMENTED") in text(error))


def timeouts(client):
    call = lambda **more: client.infer("identity-int32", [input_of(tc, numbers, "INT32")], **more)
    check("priority", (call(priority=1, timeout=10_000_000).as_numpy("x_out") == numbers).all())
    check("parameters", (call(parameters={"any": "text", "n": 1, "b": True}).as_numpy("x_out") == numbers).all())
    check("sequence", (call(sequence_id=7, sequence_start=True, sequence_end=True).as_numpy("x_out") == numbers).all())
    try:
        call(timeout=1)
        sys.exit(f"{kind}: the time limit was not kept")
    except InferenceServerException as error:
        check("time limit", ("504" if kind == "http" else "DEADLINE_EXCEEDED") in text(error))
    if kind == "http":
        reply = client.infer("identity-int32", [input_of(tc, numbers, "INT32")], query_params={"a": "b"}, headers={"x-any": "1"})
        check("query", (reply.as_numpy("x_out") == numbers).all())


def stream(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(200):
        client.async_stream_infer(
            "identity-int32" if i % 50 != 7 else "none",
            [input_of(tc, numbers + i, "INT32")],
            request_id=str(i),
            enable_empty_final_response=i == 3,
        )
    for i in range(200):
        result, error = answers.get(timeout=30)
        if i % 50 == 7:
            check(f"stream {i}", error is not None and "unknown model" in error.message())
        else:
            ok = error is None and result.get_response().id == str(i) and (result.as_numpy("x_out") == numbers + i).all()
            check(f"stream {i}", ok)
            if i == 3:
                check("final", result.get_response().parameters["triton_final_response"].bool_param)
    client.stop_stream()


async def asynchronous():
    async with aio.InferenceServerClient(address) as client:
        check("aio live", await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("fixed"))
        metadata = await client.get_model_metadata("fixed")
        check("aio metadata", model_of(metadata, "name") == "fixed")
        await client.get_model_config("fixed")
        await client.get_inference_statistics()
        await client.get_model_repository_index()

        async def one(i):
            more = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"} if kind == "http" and i % 2 else {}
            result = await client.infer("identity-int32", [input_of(aio, numbers + i, "INT32")], request_id=str(i), **more)
            return (result.as_numpy("x_out") == numbers + i).all()

        check("aio at once", all(await asyncio.gather(*(one(i) for i in range(100)))))
        try:
            await client.infer("none", [input_of(aio, numbers, "INT32")])
            sys.exit(f"{kind}: aio answered an unknown model")
        except InferenceServerException as error:
            check("aio unknown", "Request for unknown model: 'none' is not found" in error.message())
        if kind == "grpc":

            async def requests():
                for i in range(50):
                    yield {"model_name": "identity-int32", "inputs": [input_of(aio, numbers + i, "INT32")], "request_id": str(i)}

            seen = 0
            async for result, error in client.stream_infer(requests()):
                check(f"aio stream {seen}", error is None and (result.as_numpy("x_out") == numbers + seen).all())
                seen += 1
            check("aio stream", seen == 50)


client = tc.InferenceServerClient(address)
management(client)
timeouts(client)
if kind == "grpc":
    stream(client)
client.close()
asyncio.run(asynchronous())
print(f"passed {passed}")
