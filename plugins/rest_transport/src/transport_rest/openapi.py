"""The OpenAPI document of the data plane, whole or cut down to one model with its real inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.control import mlcore_version
from mlcore.types import Datatype

if TYPE_CHECKING:
    from mlcore.types import MetadataTensor, ModelMetadata

_JSON = "application/json"
_STATUSES = {
    "400": "The request is wrong; the message names the field.",
    "404": "There is no such model or version.",
    "500": "The server or the model failed.",
    "503": "The model or the server is not ready.",
}


def data_plane(root_path: str, metadata: ModelMetadata | None = None, version: str | None = None) -> dict[str, Any]:
    """Return the document.

    Args:
        root_path: The path under which a proxy serves the server.
        metadata: The model that the document is cut down to; `None` for all of it.
        version: Its version, where the document is for one.
    """
    if metadata is None:
        title = "Data Plane"
        paths = {**_server_paths(), **_model_paths("{model_name}", None, None)}
        paths |= _model_paths("{model_name}", "{model_version}", None)
    else:
        title = f"Data Plane for Model {metadata.name}" + (f" ({version})" if version else "")
        paths = _model_paths(metadata.name, version, metadata)
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {"title": title, "version": mlcore_version(), "description": "The Open Inference Protocol V2."},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if root_path:
        document["servers"] = [{"url": root_path}]
    return document


def _server_paths() -> dict[str, Any]:
    return {
        "/v2": {"get": _operation("Server metadata", _ref("ServerMetadata"))},
        "/v2/health/live": {"get": _operation("Whether the server runs", _object(live={"type": "boolean"}))},
        "/v2/health/ready": {"get": _operation("Whether every model is ready", _object(ready={"type": "boolean"}))},
        "/v2/models": {"get": _operation("The loaded models", _object(models=_array({"type": "string"})))},
        "/v2/repository/index": {
            "post": _operation(
                "Every model of the repository, with its state",
                _array(_ref("RepositoryIndexItem")),
                body={"schema": _object(ready={"type": "boolean"}), "example": {}},
                body_is_required=False,
            )
        },
        "/v2/repository/models/{model_name}/load": {
            "post": _operation("Load a model, or load it again", None, ["model_name"])
        },
        "/v2/repository/models/{model_name}/unload": {"post": _operation("Unload a model", None, ["model_name"])},
    }


def _model_paths(name: str, version: str | None, metadata: ModelMetadata | None) -> dict[str, Any]:
    base = f"/v2/models/{name}" + (f"/versions/{version}" if version else "")
    parameters = [part[1:-1] for part in base.split("/") if part.startswith("{")]
    body = {"schema": _request_schema(metadata), "example": _example(metadata)}
    response = _response_schema(metadata)
    ready = _object(name={"type": "string"}, ready={"type": "boolean"})
    return {
        base: {"get": _operation("Model metadata", _ref("ModelMetadata"), parameters)},
        f"{base}/ready": {"get": _operation("Whether the model is ready", ready, parameters)},
        f"{base}/infer": {"post": _operation("Infer", response, parameters, body)},
        f"{base}/generate": {"post": _operation("The same as infer", response, parameters, body)},
    }


def _operation(
    summary: str,
    answer: dict[str, Any] | None,
    parameters: list[str] | None = None,
    body: dict[str, Any] | None = None,
    body_is_required: bool = True,
) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        done["content"] = {_JSON: {"schema": answer}}
    operation: dict[str, Any] = {"summary": summary, "responses": {"200": done}}
    for status, description in _STATUSES.items():
        operation["responses"][status] = {"description": description, "content": {_JSON: {"schema": _ref("Error")}}}
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
        ]
    if body is not None:
        operation["requestBody"] = {"required": body_is_required, "content": {_JSON: body}}
    return operation


def _request_schema(metadata: ModelMetadata | None) -> dict[str, Any]:
    if metadata is None or not metadata.inputs:
        return _ref("InferenceRequest")
    names = [output.name for output in metadata.outputs]
    wanted = _array(_object(name={"type": "string", "enum": names}, parameters=_ref("Parameters"), required=["name"]))
    return _object(
        id={"type": "string"},
        parameters=_ref("Parameters"),
        inputs=_array({"oneOf": [_tensor_schema(tensor) for tensor in metadata.inputs]}),
        **({"outputs": wanted} if names else {}),
        required=["inputs"],
    )


def _response_schema(metadata: ModelMetadata | None) -> dict[str, Any]:
    if metadata is None or not metadata.outputs:
        return _ref("InferenceResponse")
    return _object(
        model_name={"type": "string"},
        model_version={"type": "string"},
        id={"type": "string"},
        parameters=_ref("Parameters"),
        outputs=_array({"oneOf": [_tensor_schema(tensor) for tensor in metadata.outputs]}),
        required=["model_name", "id", "outputs"],
    )


def _tensor_schema(tensor: MetadataTensor) -> dict[str, Any]:
    shape = _array({"type": "integer", "minimum": 0})
    if tensor.shape:
        shape["description"] = f"{tensor.shape}, where -1 is any size"
        shape["minItems"] = 1
    datatype = {"type": "string", "enum": [tensor.datatype]} if tensor.datatype else _ref("Datatype")
    return _object(
        name={"type": "string", "enum": [tensor.name]},
        shape=shape,
        datatype=datatype,
        parameters=_ref("Parameters"),
        data=_ref("TensorData"),
        required=["name", "shape", "datatype", "data"],
    )


def _example(metadata: ModelMetadata | None) -> dict[str, Any]:
    if metadata is None or not metadata.inputs:
        inputs = [{"name": "input-0", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]
    else:
        inputs = [_example_tensor(tensor) for tensor in metadata.inputs]
    return {"inputs": inputs}


def _example_tensor(tensor: MetadataTensor) -> dict[str, Any]:
    shape = [size if size >= 0 else 1 for size in tensor.shape] or [1]
    count = 1
    for size in shape:
        count *= size
    element: Any = {"BYTES": "text", "BOOL": True}.get(tensor.datatype, 0 if "INT" in tensor.datatype else 0.5)
    example = {"name": tensor.name, "shape": shape, "datatype": tensor.datatype or "FP32", "data": [element] * count}
    return {**example, "parameters": dict(tensor.parameters)} if tensor.parameters else example


def _schemas() -> dict[str, Any]:
    tensor = _object(
        name={"type": "string"},
        shape=_array({"type": "integer", "minimum": 0}),
        datatype=_ref("Datatype"),
        parameters=_ref("Parameters"),
        data=_ref("TensorData"),
        required=["name", "shape", "datatype", "data"],
    )
    metadata_tensor = _object(
        name={"type": "string"},
        datatype={"type": "string"},
        shape=_array({"type": "integer"}),
        parameters=_ref("Parameters"),
        required=["name"],
    )
    return {
        "Error": _object(error={"type": "string"}, required=["error"]),
        "Datatype": {"type": "string", "enum": [datatype.value for datatype in Datatype]},
        "Parameters": {
            "type": "object",
            "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
        },
        "TensorData": {
            "type": "array",
            "items": {},
            "description": "The elements, flat in row-major order or nested like the shape.",
        },
        "Tensor": tensor,
        "InferenceRequest": _object(
            id={"type": "string"},
            parameters=_ref("Parameters"),
            inputs=_array(_ref("Tensor")),
            outputs=_array(_object(name={"type": "string"}, parameters=_ref("Parameters"), required=["name"])),
            required=["inputs"],
        ),
        "InferenceResponse": _object(
            model_name={"type": "string"},
            model_version={"type": "string"},
            id={"type": "string"},
            parameters=_ref("Parameters"),
            outputs=_array(_ref("Tensor")),
            required=["model_name", "id", "outputs"],
        ),
        "MetadataTensor": metadata_tensor,
        "ModelMetadata": _object(
            name={"type": "string"},
            versions=_array({"type": "string"}),
            platform={"type": "string"},
            inputs=_array(_ref("MetadataTensor")),
            outputs=_array(_ref("MetadataTensor")),
            parameters={"type": "object"},
            required=["name", "platform", "inputs", "outputs"],
        ),
        "ServerMetadata": _object(
            name={"type": "string"},
            version={"type": "string"},
            extensions=_array({"type": "string"}),
            required=["name", "version", "extensions"],
        ),
        "RepositoryIndexItem": _object(
            name={"type": "string"},
            version={"type": "string"},
            state={"type": "string", "enum": ["LOADING", "READY", "UNAVAILABLE", "UNLOADING"]},
            reason={"type": "string"},
            required=["name", "state", "reason"],
        ),
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(*, required: list[str] | None = None, **properties: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema
