"""KServe's clients, unmodified: kserve_client.py ADDRESS GRPC_ADDRESS."""
import asyncio
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

address, grpc_address = sys.argv[1:]
passed = 0


def check(name, ok):
    global passed
    if not ok:
        sys.exit(f"kserve: {name}")
    passed += 1
    print(f"ok {name}", flush=True)


cases = {
    "BOOL": np.array([[True, False]]),
    **{f"{sign}INT{bits}": np.array([[1, 120]], f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "FP16": np.array([[0.5, -2]], np.float16),
    "FP32": np.array([[0.1, -2.5]], np.float32),
    "FP64": np.array([[0.1, 0.30000000000000004]]),
    "BYTES": np.array([["a", "grüße"]], object),
}


def request(datatype, values, binary):
    tensor = InferInput("x", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model_name=f"identity-{datatype.lower()}", request_id="9", infer_inputs=[tensor])


def same(response, values):
    back = response.outputs[0].as_numpy()
    if values.dtype == object:
        return [t.decode() if isinstance(t, bytes) else t for t in back.flat] == list(values.flat)
    return back.shape == values.shape and (back == values).all()


async def rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    base = f"http://{address}"
    check("live", await client.is_server_live(base) is True)
    check("ready", await client.is_server_ready(base) is True)
    check("model ready", await client.is_model_ready(base, "fixed") is True)
    for datatype, values in cases.items():
        for binary in (True, False) if datatype != "FP16" else (True,):
            response = await client.infer(base, request(datatype, values, binary), model_name=f"identity-{datatype.lower()}")
            if datatype != "FP16" or binary:
                check(f"{datatype} {binary}", response.id == "9" and same(response, values))
    try:
        await client.infer(base, request("INT32", cases["INT32"], False), model_name="none")
        sys.exit("kserve: an unknown model was answered")
    except httpx.HTTPStatusError as error:
        check("unknown model", error.response.status_code == 404 and "none" in error.response.json()["error"])
    await client.close()


async def over_grpc():
    client = InferenceGRPCClient(grpc_address, retries=0)
    check("grpc live", await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("fixed"))
    for datatype, values in cases.items():
        for binary in (True, False) if datatype != "FP16" else (True,):
            check(f"grpc {datatype} {binary}", same(await client.infer(request(datatype, values, binary)), values))
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        # KServe has the name of the model where others have that of the repository.
        unloaded = await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="scalar"))
        check("unload", unloaded.model_name == "scalar" and unloaded.isUnloaded)
        check("gone", not (await stub.ModelReady(pb.ModelReadyRequest(name="scalar"))).ready)
        loaded = await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="scalar"))
        check("load", loaded.model_name == "scalar" and loaded.isLoaded)
    await client.close()


asyncio.run(rest())
asyncio.run(over_grpc())
print(f"passed {passed}")
