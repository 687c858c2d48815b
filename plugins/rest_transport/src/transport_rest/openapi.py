"""The OpenAPI document of the data plane: what there is to call, whole or for one model with its inputs and outputs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlcore.control import mlcore_version

from transport_rest import schemas
from transport_rest.handler_operations import TAG, HandlerOperations
from transport_rest.schemas import array, member, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlcore.engine import Handlers
    from mlcore.types import ModelMetadata

_JSON = "application/json"
_BINARY = "application/octet-stream"
_EVENTS = "text/event-stream"

_STATUSES = {
    400: "The request is wrong; the message names the field.",
    403: "Models may not be changed from here.",
    404: "There is no such model or version.",
    409: "The model cannot be loaded; the message says why. What was loaded before goes on.",
    413: "The body is over the limit.",
    415: "The body is in a format, or a compression, that the server does not read.",
    500: "The server or the model failed.",
    503: "The model or the server is not ready.",
    504: "The answer did not come in time.",
}

_HANDLER_ERRORS = (400, 413, 500, 503, 504)

# A page with more links than these helps nobody.
_MOST_LINKS = 50

_TAGS = {
    "Inference": "Ask a model.",
    "Metadata": "What the server and its models say of themselves.",
    "Health": "For probes and load balancers.",
    "Repository": "The models that the server knows, loaded or not.",
}


def data_plane(
    root_path: str, models: list[str], handlers: Mapping[tuple[str, str | None], Handlers] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the document of the whole server.

    Args:
        root_path: The path under which a proxy serves the server.
        models: The names of its models; the first is the example.
        handlers: Their custom handlers, by name and version.
    """
    name = {"name": "model_name", "in": "path", "required": True, "schema": {"type": "string"}}
    if models:
        name["example"] = models[0]
    version = {"name": "model_version", "in": "path", "required": True, "schema": {"type": "string"}}
    paths = {
        **_server_paths(),
        **_model_paths("/v2/models/{model_name}", "", [name], None),
        **_model_paths("/v2/models/{model_name}/versions/{model_version}", "Version", [name, version], None),
        **_repository_paths(name, version),
    }
    shown = [f"[{model}]({_path(model)}/docs)" for model in models[:_MOST_LINKS]]
    text = "The Open Inference Protocol V2." + (f" Models: {', '.join(shown)}." if shown else "")
    operations = HandlerOperations(_errors(_HANDLER_ERRORS))
    for (model, of_version), known in handlers.items():
        if of_version is None:
            operations.add_global(model, known)
    return _document("Data Plane", text, root_path, paths, list(_TAGS), operations)


def model_plane(
    root_path: str, metadata: ModelMetadata, version: str | None = None, handlers: Handlers | None = None
) -> dict[str, Any]:
    """Return the document of one model.

    Args:
        root_path: The path under which a proxy serves the server.
        metadata: What the model says of itself.
        version: Its version, where the document is for one.
        handlers: Its custom handlers, if it has any.
    """
    title = f"Data Plane for Model {metadata.name}" + (f" ({version})" if version else "")
    paths = _model_paths(_path(metadata.name, version), "", [], metadata)
    operations = HandlerOperations(_errors(_HANDLER_ERRORS))
    if handlers is not None:
        operations.add_below(_path(metadata.name, version), metadata.name, handlers)
    return _document(title, _tensors(metadata), root_path, paths, ["Inference", "Metadata", "Health"], operations)


def _path(model: str, version: str | None = None) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"


def _tensors(metadata: ModelMetadata) -> str:
    """Return what a model takes and gives, as a table in Markdown."""
    rows = [("input", tensor) for tensor in metadata.inputs] + [("output", tensor) for tensor in metadata.outputs]
    if not rows:
        return "The model does not declare its inputs and outputs."
    lines = ["| | name | datatype | shape | content type |", "|---|---|---|---|---|"]
    for kind, tensor in rows:
        content_type = (tensor.parameters.content_type if tensor.parameters else None) or ""
        lines.append(f"| {kind} | `{tensor.name}` | {tensor.datatype} | {tensor.shape or ''} | {content_type} |")
    return "\n".join(lines)


def _document(
    title: str, text: str, root_path: str, paths: dict[str, Any], tags: list[str], operations: HandlerOperations
) -> dict[str, Any]:
    document: dict[str, Any] = {
        # The schemas of a model's own types may need what 3.0 has not; everything else is the same in both.
        "openapi": "3.1.0" if operations.paths else "3.0.3",
        "info": {"title": title, "version": mlcore_version(), "description": text},
        "tags": [{"name": name, "description": _TAGS[name]} for name in tags],
        "paths": {**paths, **operations.paths},
        "components": {"schemas": {**schemas.components(), **operations.schemas}},
    }
    if operations.paths:
        document["tags"].append({"name": TAG, "description": "What models answer besides, each in its own way."})
    if root_path:
        document["servers"] = [{"url": root_path}]
    return document


def _model_paths(
    base: str, suffix: str, parameters: list[dict[str, Any]], metadata: ModelMetadata | None
) -> dict[str, Any]:
    """Return the paths of a model, or of any where there is no metadata; `suffix` keeps operation ids apart."""
    body = {"schema": schemas.request(metadata), "example": schemas.example(metadata)}
    wanted = {_JSON: body, _BINARY: {"schema": schemas.BINARY}}
    answer = {_JSON: {"schema": schemas.response(metadata)}, _BINARY: {"schema": schemas.BINARY}}
    head_length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Bytes of the JSON head, where binary tensors follow it.",
        "schema": {"type": "integer", "minimum": 0},
    }

    events = {_EVENTS: {"schema": schemas.EVENTS}}

    def infer(operation_id: str, summary: str, content: dict[str, Any] = answer) -> dict[str, Any]:
        return {
            "post": {
                **_operation("Inference", operation_id + suffix, summary, content, (400, 404, 413, 415, 500, 503, 504)),
                "parameters": [*parameters, head_length],
                "requestBody": {"required": True, "content": wanted},
            }
        }

    metadata_of = _operation("Metadata", f"modelMetadata{suffix}", "Model metadata", member("ModelMetadata"))
    ready = _operation("Health", f"modelReady{suffix}", "Whether the model is ready", _ready(name={"type": "string"}))
    more = {"parameters": parameters} if parameters else {}
    return {
        f"{base}/infer": infer("infer", "Infer"),
        f"{base}/generate": infer("generate", "The same as infer"),
        f"{base}/infer_stream": infer("inferStream", "Infer, with an event for each answer", events),
        f"{base}/generate_stream": infer("generateStream", "The same as infer_stream", events),
        base: {"get": {**metadata_of, **more}},
        f"{base}/ready": {"get": {**ready, **more}},
    }


def _server_paths() -> dict[str, Any]:
    live = record({"live": {"type": "boolean"}}, required=["live"])
    models = record({"models": array({"type": "string"})}, required=["models"])
    return {
        "/v2": {"get": _operation("Metadata", "serverMetadata", "Server metadata", member("ServerMetadata"), ())},
        "/v2/models": {"get": _operation("Metadata", "models", "The models that are loaded", models, ())},
        "/v2/health/live": {"get": _operation("Health", "serverLive", "Whether the server runs", live, ())},
        "/v2/health/ready": {
            "get": _operation("Health", "serverReady", "Whether every model is ready", _ready(), (503,))
        },
    }


def _repository_paths(name: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    wanted = record({"ready": {"type": "boolean", "description": "Only the models that are ready."}})
    index = _operation(
        "Repository", "repositoryIndex", "Every model, with its state", array(member("RepositoryIndexItem")), (400, 403)
    )
    paths: dict[str, Any] = {
        "/v2/repository/index": {"post": {**index, "requestBody": {"content": {_JSON: {"schema": wanted}}}}},
    }
    model = "/v2/repository/models/{model_name}"
    for base, more, suffix, what in (
        (model, [], "", "a model"),
        (f"{model}/versions/{{model_version}}", [version], "Version", "one version of a model"),
    ):
        summary = f"Load {what}, or load it again"
        load = _operation("Repository", f"repositoryModel{suffix}Load", summary, None, (400, 403, 404, 409))
        unload = _operation("Repository", f"repositoryModel{suffix}Unload", f"Unload {what}", None, (400, 403, 404))
        paths[f"{base}/load"] = {"post": {**load, "parameters": [name, *more]}}
        paths[f"{base}/unload"] = {"post": {**unload, "parameters": [name, *more]}}
    return paths


def _ready(**more: dict[str, Any]) -> dict[str, Any]:
    members = {**more, "ready": {"type": "boolean"}}
    return record(members, required=list(members))


def _operation(
    tag: str,
    operation_id: str,
    summary: str,
    answer: dict[str, Any] | None,
    errors: tuple[int, ...] = (404, 503),
) -> dict[str, Any]:
    """Return an operation.

    Args:
        tag: Where it belongs.
        operation_id: Its name in generated clients.
        summary: What it does.
        answer: The schema of its answer, or the content of several media types; `None` for an empty answer.
        errors: The statuses of its errors; of every other, the form is known too.
    """
    done: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        done["content"] = answer if _JSON in answer or _EVENTS in answer else {_JSON: {"schema": answer}}
    responses = {"200": done, **_errors(errors)}
    return {"tags": [tag], "operationId": operation_id, "summary": summary, "responses": responses}


def _errors(statuses: tuple[int, ...]) -> dict[str, Any]:
    failed = {_JSON: {"schema": member("Error")}}
    answers = {str(status): {"description": _STATUSES[status], "content": failed} for status in statuses}
    return {**answers, "default": {"description": "Any other error.", "content": failed}}
