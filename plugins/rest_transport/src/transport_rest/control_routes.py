"""Everything but inference: health, metadata, the repository and the documentation, on Litestar."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath  # noqa: TC002  # Litestar reads the annotations
from litestar.plugins.core import MsgspecDIPlugin
from mlcore.errors import InferenceError, MLCoreError, NotFoundError, UnavailableError
from mlcore.load_parameters import version_of

from transport_rest import docs_page
from transport_rest.body import read_body
from transport_rest.infer_route import has_hidden_slash
from transport_rest.openapi import data_plane, model_plane
from transport_rest.origin import OriginGuard
from transport_rest.status import error_body, error_headers, shown_path, status_of, unexpected

if TYPE_CHECKING:
    from litestar.plugins import PluginProtocol
    from mlcore.control import ControlPlane
    from mlcore.settings import Settings
    from mlcore_protocol import Buffer

    from transport_rest.asgi import App, Message, Receive, Scope, Send


class _Index(msgspec.Struct):
    """The body of a repository index request."""

    ready: bool = False


class _Change(msgspec.Struct):
    """The body of a load or unload request."""

    parameters: dict[str, Any] = {}


def control_app(settings: Settings, control: ControlPlane) -> App:
    """Build the app of all routes but the infer ones."""
    guard = OriginGuard(settings)

    @get("/v2")
    async def server_metadata() -> dict[str, Any]:
        return control.server_metadata().model_dump()

    @get("/v2/health/live")
    async def live() -> dict[str, bool]:
        return {"live": control.is_live}

    @get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        if not control.is_ready:
            failed = len(control.failures())
            why = f"{failed} of its models are not ready" if failed else "it is starting or stopping"
            raise UnavailableError(f"the server is not ready: {why}; POST /v2/repository/index says more")
        return {"ready": True}

    @get("/v2/models")
    async def models() -> dict[str, list[str]]:
        return {"models": control.models()}

    @get(["/v2/models/{name:str}", "/v2/models/{name:str}/versions/{version:str}"])
    async def model_metadata(name: FromPath[str], version: FromPath[str | None] = None) -> dict[str, Any]:
        return control.model_metadata(name, version).model_dump()

    @get(["/v2/models/{name:str}/ready", "/v2/models/{name:str}/versions/{version:str}/ready"])
    async def model_ready(name: FromPath[str], version: FromPath[str | None] = None) -> dict[str, Any]:
        if not control.model_is_ready(name, version):
            raise UnavailableError(f"Model {name} is not ready; POST /v2/repository/index says why")
        return {"name": name, "ready": True}

    @post("/v2/repository/index", status_code=200)
    async def repository_index(request: Request[Any, Any, Any]) -> list[dict[str, Any]]:
        guard.check_page(request.scope["headers"])
        wanted = _decoded(await request.body(), _Index, '{} or {"ready": true}')
        return [item.model_dump() for item in await asyncio.to_thread(control.index, wanted.ready)]

    @post(_of_model("load"), status_code=200)
    async def load(
        name: FromPath[str], request: Request[Any, Any, Any], version: FromPath[str | None] = None
    ) -> Response[bytes]:
        control.check_repository_api()
        guard.check(request.scope["headers"])
        change = _decoded(await request.body(), _Change, 'nothing, {} or {"parameters": {}}')
        await control.load(name, version_of(change.parameters, version))
        return _nothing()

    @post(_of_model("unload"), status_code=200)
    async def unload(
        name: FromPath[str], request: Request[Any, Any, Any], version: FromPath[str | None] = None
    ) -> Response[bytes]:
        control.check_repository_api()
        guard.check(request.scope["headers"])
        change = _decoded(await request.body(), _Change, 'nothing, {} or {"parameters": {}}')
        await control.unload(name, version_of(change.parameters, version))
        return _nothing()

    @get("/v2/docs")
    async def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
        return docs_page.page("Data Plane", request.scope["raw_path"])

    @get(["/v2/docs/dataplane.json", "/openapi.json"])
    async def document() -> dict[str, Any]:
        return data_plane(settings.root_path, control.models(), control.handlers)

    @get("/v2/docs/static/{file:str}")
    async def docs_file(file: FromPath[str]) -> Response[bytes]:
        found = docs_page.static(file)
        if found is None:
            raise NotFoundError(f"the documentation page has no file '{file[:64]}'")
        return found

    @get(["/v2/models/{name:str}/docs", "/v2/models/{name:str}/versions/{version:str}/docs"])
    async def model_docs(
        name: FromPath[str], request: Request[Any, Any, Any], version: FromPath[str | None] = None
    ) -> Response[bytes]:
        if not control.model_is_ready(name, version):
            raise UnavailableError(f"Model {name} is not ready, so what it takes is not known yet")
        return docs_page.page(f"Data Plane for Model {name}", request.scope["raw_path"])

    @get(
        [
            "/v2/models/{name:str}/docs/dataplane.json",
            "/v2/models/{name:str}/versions/{version:str}/docs/dataplane.json",
        ]
    )
    async def model_document(name: FromPath[str], version: FromPath[str | None] = None) -> dict[str, Any]:
        metadata = control.model_metadata(name, version)
        return model_plane(settings.root_path, metadata, version, control.handlers.get((name, version)))

    app = _Litestar(
        [
            server_metadata,
            live,
            ready,
            models,
            model_metadata,
            model_ready,
            repository_index,
            load,
            unload,
            document,
            model_document,
            *([docs, docs_file, model_docs] if settings.docs_page else []),
        ],
        openapi_config=None,
        logging_config=None,
        # Said here, because otherwise the environment would decide.
        debug=False,
        pdb_on_exception=False,
        exception_handlers={MLCoreError: _known, HTTPException: _http, Exception: _unknown},
    )
    return _prepared(cast("App", app), settings.max_body_bytes)


def _of_model(verb: str) -> list[str]:
    """Return the paths that load or unload a model, and one version of it."""
    model = "/v2/repository/models/{name:str}"
    return [f"{model}/{verb}", model + "/versions/{version:str}/" + verb]


class _Litestar(Litestar):
    """Litestar without its plugins for pydantic and attrs, which no route uses and which take long to import."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def _prepared(app: App, limit: int) -> App:
    """Do what the routes' framework leaves open: strict paths, HEAD, and bodies that are packed or too large."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, dict(scope["headers"]), limit)
        if "//" in scope["path"] or has_hidden_slash(scope["raw_path"]):
            raise _no_path(scope)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # whose body the protocol then keeps back
        await app(scope, _given(body), send)

    return wrapped


def _given(body: Buffer) -> Receive:
    """Return ASGI's `receive` of a body that is there already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return receive


def _decoded(body: bytes, kind: type[Any], expected: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind) if body.strip() else kind()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InferenceError(f"the body: expected {expected}: {error}") from None


def _nothing() -> Response[bytes]:
    return Response(b"", media_type="text/plain")


def _no_path(scope: Scope) -> NotFoundError:
    return NotFoundError(f"there is no path {shown_path(scope)[:64]}; GET /v2/docs lists them")


def _known(request: Request[Any, Any, Any], error: MLCoreError) -> Response[bytes]:
    return _error(status_of(error), error_body(str(error)), error_headers(error))


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    scope = cast("Scope", request.scope)
    if error.status_code == 404:
        return _known(request, _no_path(scope))
    headers = dict(error.headers or {})
    text = str(error.detail)
    if error.status_code == 405:
        methods = (headers.pop("allow", "")).split(", ")
        headers["Allow"] = ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ())}))
        text = f"{shown_path(scope)[:64]} takes {headers['Allow']}, not {scope['method'][:16]}"
    return _error(error.status_code, error_body(text), headers)


def _unknown(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _error(500, unexpected(error, cast("Scope", request.scope)), {})


def _error(status: int, body: bytes, headers: dict[str, str]) -> Response[bytes]:
    return Response(body, status_code=status, headers=headers, media_type="application/json")
