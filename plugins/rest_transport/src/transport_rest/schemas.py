"""The schemas of the OpenAPI document: of every message, and of one model's requests and answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlcore.types import Datatype

if TYPE_CHECKING:
    from mlcore.types import MetadataTensor, ModelMetadata

BINARY = {
    "type": "string",
    "format": "binary",
    "description": "A JSON head whose tensors have `binary_data_size` instead of `data`, then their bytes in turn.",
}
"""A body with binary tensors."""

EVENTS = {
    "type": "string",
    "description": (
        "An event `data: {answer}` for each answer, with the JSON that `infer` answers. An error after the first event "
        'is the event `error`, with the data `{"error": ...}`, and the last one.'
    ),
}
"""A body of server-sent events."""

# What is shown as an example has at most this many elements, whatever the model declares.
_MOST_ELEMENTS = 1024

# What a BYTES element looks like, by content type.
_TEXTS = {"base64": "dGV4dA==", "datetime": "2026-01-31T12:00:00"}

_TEXT = {"type": "string"}
_INTEGER = {"type": "integer"}


def member(name: str) -> dict[str, Any]:
    """Return the reference to a schema of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def record(members: dict[str, dict[str, Any]], required: list[str] | None = None) -> dict[str, Any]:
    """Return the schema of an object."""
    schema: dict[str, Any] = {"type": "object", "properties": members}
    return {**schema, "required": required} if required else schema


def request(metadata: ModelMetadata | None) -> dict[str, Any]:
    """Return the schema of an infer request: of this model, or of any."""
    if metadata is None or not metadata.inputs:
        return member("InferenceRequest")
    wanted: dict[str, Any] = {"name": {**_TEXT, "enum": [output.name for output in metadata.outputs]}}
    if not metadata.outputs:
        wanted = {"name": _TEXT}
    return _request(
        array({"oneOf": [_declared(tensor) for tensor in metadata.inputs]}),
        array(record({**wanted, "parameters": member("Parameters")}, required=["name"])),
    )


def response(metadata: ModelMetadata | None) -> dict[str, Any]:
    """Return the schema of an answer: of this model, or of any."""
    if metadata is None or not metadata.outputs:
        return member("InferenceResponse")
    # What a model declares is its word; that an output is a tensor is the server's.
    declared = [_declared(tensor) for tensor in metadata.outputs]
    return _response(array({"anyOf": [*declared, member("Tensor")]}))


def example(metadata: ModelMetadata | None) -> dict[str, Any]:
    """Return an infer request that has the right form for this model, or for any."""
    if metadata is None or not metadata.inputs:
        return {"inputs": [{"name": "input-0", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]}
    return {"inputs": [_example(tensor) for tensor in metadata.inputs]}


def components() -> dict[str, Any]:
    """Return the schemas by name."""
    wanted = record({"name": _TEXT, "parameters": member("Parameters")}, required=["name"])
    metadata_tensor = {"name": _TEXT, "datatype": _TEXT, "shape": array(_INTEGER), "parameters": {"type": "object"}}
    metadata = {
        "name": _TEXT,
        "versions": array(_TEXT),
        "platform": _TEXT,
        "inputs": array(member("MetadataTensor")),
        "outputs": array(member("MetadataTensor")),
        "parameters": {"type": "object"},
    }
    server = {"name": _TEXT, "version": _TEXT, "extensions": array(_TEXT)}
    state = {"type": "string", "enum": ["LOADING", "READY", "UNAVAILABLE", "UNLOADING"]}
    return {
        "InferenceRequest": _request(array(member("Tensor")), array(wanted)),
        "InferenceResponse": _response(array(member("Tensor"))),
        "Tensor": _tensor({"type": "string", "minLength": 1}, member("Datatype")),
        "Datatype": {"type": "string", "enum": [datatype.value for datatype in Datatype]},
        "Data": {
            **array({}),
            "description": "The elements, flat in row-major order or nested like the shape. NaN is null.",
        },
        "Parameters": {
            "type": "object",
            "description": "Free parameters; `content_type` chooses the codec.",
            "additionalProperties": {"anyOf": [_TEXT, {"type": "number"}, {"type": "boolean"}]},
        },
        "ModelMetadata": record(metadata, required=list(metadata)),
        "MetadataTensor": record(metadata_tensor, required=["name"]),
        "ServerMetadata": record(server, required=list(server)),
        "RepositoryIndexItem": record(
            {"name": _TEXT, "version": _TEXT, "state": state, "reason": _TEXT}, required=["name", "state", "reason"]
        ),
        "Error": record({"error": _TEXT}, required=["error"]),
    }


def _request(inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    outputs = {**outputs, "description": "The outputs that are wanted; all of them if absent."}
    members = {"id": _TEXT, "parameters": member("Parameters"), "inputs": {**inputs, "minItems": 1}}
    return record({**members, "outputs": outputs}, required=["inputs"])


def _response(outputs: dict[str, Any]) -> dict[str, Any]:
    members = {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "parameters": {"type": "object"},
        "outputs": outputs,
    }
    return record(members, required=["model_name", "id", "outputs"])


def _declared(tensor: MetadataTensor) -> dict[str, Any]:
    known = tensor.datatype in Datatype.__members__
    datatype = {"type": "string", "enum": [tensor.datatype]} if known else member("Datatype")
    schema = _tensor({"type": "string", "enum": [tensor.name]}, datatype)
    if tensor.shape:
        schema["properties"]["shape"]["description"] = f"{tensor.shape}, where -1 is any size."
    return {"title": tensor.name, **schema}


def _tensor(name: dict[str, Any], datatype: dict[str, Any]) -> dict[str, Any]:
    members = {
        "name": name,
        "shape": array({**_INTEGER, "minimum": 0}),
        "datatype": datatype,
        "parameters": {"type": "object"},
        "data": member("Data"),
    }
    return record(members, required=["name", "shape", "datatype", "data"])


def _example(tensor: MetadataTensor) -> dict[str, Any]:
    shape = [max(size, 1) for size in tensor.shape] or [1]
    datatype = tensor.datatype if tensor.datatype in Datatype.__members__ else "FP32"
    content_type = tensor.parameters.content_type if tensor.parameters else None
    text = _TEXTS.get(content_type or "", "text")
    element: Any = {"BYTES": text, "BOOL": True}.get(datatype, 1 if "INT" in datatype else 0.5)
    count = math.prod(shape)
    shown: dict[str, Any] = {"name": tensor.name, "shape": shape, "datatype": datatype}
    if tensor.parameters:
        shown["parameters"] = dict(tensor.parameters)
    # A picture's worth of numbers would be a page nobody can scroll, and a request nobody can read.
    return {**shown, "data": [element] * count if count <= _MOST_ELEMENTS else [element, "..."]}
