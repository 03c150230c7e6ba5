"""What a team writes by hand: FastAPI, uvicorn and ONNX Runtime, over the same JSON. MODEL and PORT are in the environment."""
import os

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


class Tensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class Request(BaseModel):
    inputs: list[Tensor]


@app.get("/health")
def health():
    return {}


@app.post("/v2/models/{model}/infer")
async def infer(model: str, request: Request):
    tensor = request.inputs[0]
    label, probabilities = session.run(None, {name: np.array(tensor.data, np.float32).reshape(tensor.shape)})
    outputs = [
        {"name": "label", "datatype": "INT64", "shape": list(label.shape), "data": label.ravel().tolist()},
        {"name": "probabilities", "datatype": "FP32", "shape": list(probabilities.shape), "data": probabilities.ravel().tolist()},
    ]
    return {"model_name": model, "outputs": outputs}


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error", access_log=False)
