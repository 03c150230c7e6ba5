"""MLServer's types over REST and its stubs over gRPC, unmodified: mlserver_client.py ADDRESS GRPC_ADDRESS (with plain streams)."""
import sys

import grpc
import httpx
import numpy as np
from mlserver import types
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.grpc import converters
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import model_repository_pb2 as old
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.grpc.model_repository_pb2_grpc import ModelRepositoryServiceStub

address, grpc_address = sys.argv[1:]
passed = 0


def check(name, ok):
    global passed
    if not ok:
        sys.exit(f"mlserver: {name}")
    passed += 1
    print(f"ok {name}", flush=True)


def refused(name, call, code):
    try:
        call()
    except grpc.RpcError as error:
        return check(name, error.code() == code)
    sys.exit(f"mlserver: {name} was not refused")


http = httpx.Client(base_url=f"http://{address}")
channel = grpc.insecure_channel(grpc_address)
stub, repository = GRPCInferenceServiceStub(channel), ModelRepositoryServiceStub(channel)

types.MetadataServerResponse.model_validate(http.get("/v2").json())
metadata = types.MetadataModelResponse.model_validate(http.get("/v2/models/fixed").json())
check("metadata", metadata.name == "fixed" and metadata.inputs[0].datatype == "INT32")
index = http.post("/v2/repository/index", json=types.RepositoryIndexRequest(ready=None).model_dump())
check("index", len([types.RepositoryIndexResponseItem.model_validate(m) for m in index.json()]) > 15)
for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/versions/versions/v1.2.3/ready"):
    check(path, http.get(path).status_code == 200)

for datatype in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32", "FP64", "BOOL"):
    values = np.array([[1, 0, 1]]).astype({"BOOL": bool, "FP32": "float32", "FP64": "float64"}.get(datatype, datatype.lower()))
    request = types.InferenceRequest(inputs=[NumpyCodec.encode_input("x", values)])
    reply = http.post(f"/v2/models/identity-{datatype.lower()}/infer", json=request.model_dump(exclude_none=True))
    response = types.InferenceResponse.model_validate(reply.json())
    check(f"{datatype} JSON", (NumpyCodec.decode_output(response.outputs[0]) == values).all())
    # Its converter takes the elements out of a request that it sends raw, beside which it sends empty contents.
    for raw in (False, True):
        message = converters.ModelInferRequestConverter.from_types(request, model_name=f"identity-{datatype.lower()}", model_version=None, use_raw=raw)
        answer = stub.ModelInfer(message)
        check(f"{datatype} mirrored {raw}", bool(answer.raw_output_contents) is raw)
        back = converters.ModelInferResponseConverter.to_types(answer)
        check(f"{datatype} gRPC {raw}", (NumpyCodec.decode_output(back.outputs[0]) == values).all())

# Its codec makes [N, 1] of a list, which the model takes as it says.
words = types.InferenceRequest(inputs=[StringCodec.encode_input("x", ["a", "grüße"])])
reply = http.post("/v2/models/identity-bytes/infer", content=words.model_dump_json(exclude_none=True))
check("texts", types.InferenceResponse.model_validate(reply.json()).outputs[0].data.root == ["a", "grüße"])

numbers = lambda i: pb.ModelInferRequest(
    model_name="identity-fp32",
    id=str(i),
    inputs=[
        pb.ModelInferRequest.InferInputTensor(
            name="x", datatype="FP32", shape=[1, 2], contents=pb.InferTensorContents(fp32_contents=[i, 0.5])
        )
    ],
)
answers = list(stub.ModelStreamInfer(iter([numbers(i) for i in range(20)])))
check("plain stream", [(a.id, list(a.outputs[0].contents.fp32_contents)) for a in answers] == [(str(i), [i, 0.5]) for i in range(20)])
unknown = numbers(1)
unknown.model_name = "none"
refused("fault of a stream", lambda: list(stub.ModelStreamInfer(iter([unknown]))), grpc.StatusCode.NOT_FOUND)

for service, messages in ((stub, pb), (repository, old)):
    check("models", len(service.RepositoryIndex(messages.RepositoryIndexRequest()).models) > 15)
    service.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="fixed"))
    refused("unloaded", lambda: stub.ModelMetadata(pb.ModelMetadataRequest(name="fixed")), grpc.StatusCode.NOT_FOUND)
    service.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="fixed"))
    check("loaded", stub.ModelMetadata(pb.ModelMetadataRequest(name="fixed")).name == "fixed")
    refused("none", lambda: service.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="none")), grpc.StatusCode.NOT_FOUND)
check("REST unload", http.post("/v2/repository/models/fixed/unload").status_code == 200)
check("REST gone", http.get("/v2/models/fixed").status_code == 404)
check("REST load", http.post("/v2/repository/models/fixed/load").status_code == 200 and http.get("/v2/models/fixed").status_code == 200)
print(f"passed {passed}")
