"""A bare uvicorn app that decodes and encodes one V2 tensor and does nothing else: the ceiling for rest.py."""

import sys

import msgspec
import numpy as np
import orjson
import uvicorn


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(msgspec.Struct):
    """An infer request, as far as this app reads it."""

    inputs: list[Tensor]
    id: str | None = None


decode = msgspec.json.Decoder(Request).decode


async def app(scope, receive, send):
    """Answer any request with its own first tensor."""
    request = decode((await receive())["body"])
    tensor = request.inputs[0]
    array = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
    output = {"name": "output-0", "shape": list(array.shape), "datatype": "FP32", "data": array.reshape(-1)}
    body = orjson.dumps(
        {"model_name": "identity", "id": request.id, "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY
    )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off", access_log=False, server_header=False)
