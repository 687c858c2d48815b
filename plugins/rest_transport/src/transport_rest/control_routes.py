"""Everything but inference: health, metadata, the repository and the documentation, on Litestar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from mlcore.errors import InferenceError, MLCoreError, NotFoundError, UnavailableError

from transport_rest import docs_page
from transport_rest.openapi import data_plane
from transport_rest.status import error_body, error_headers, status_of, unexpected

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.settings import Settings

    from transport_rest.asgi import App


class _Index(msgspec.Struct):
    """The body of a repository index request."""

    ready: bool = False


def control_app(settings: Settings, control: ControlPlane) -> App:
    """Build the app of all routes but the infer ones."""

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
    async def model_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        return control.model_metadata(name, version).model_dump()

    @get(["/v2/models/{name:str}/ready", "/v2/models/{name:str}/versions/{version:str}/ready"])
    async def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        if not control.model_is_ready(name, version):
            raise UnavailableError(f"Model {name} is not ready; POST /v2/repository/index says why")
        return {"name": name, "ready": True}

    @post("/v2/repository/index", status_code=200)
    async def repository_index(request: Request[Any, Any, Any]) -> list[dict[str, Any]]:
        body = await request.body()
        try:
            wanted = msgspec.json.decode(body, type=_Index) if body.strip() else _Index()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InferenceError(f'the body: expected {{}} or {{"ready": true}}: {error}') from None
        return [item.model_dump() for item in control.index(wanted.ready)]

    @post("/v2/repository/models/{name:str}/load", status_code=200)
    async def load(name: str) -> Response[None]:
        control.check_repository_api()
        await control.load(name)
        return Response(None, status_code=200)

    @post("/v2/repository/models/{name:str}/unload", status_code=200)
    async def unload(name: str) -> Response[None]:
        control.check_repository_api()
        await control.unload(name)
        return Response(None, status_code=200)

    @get("/v2/docs")
    async def docs() -> Response[bytes]:
        return docs_page.page("Data Plane", depth=1)

    @get("/v2/docs/dataplane.json")
    async def document() -> dict[str, Any]:
        return data_plane(settings.root_path)

    @get("/v2/docs/static/{file:str}")
    async def docs_file(file: str) -> Response[bytes]:
        found = docs_page.static(file)
        if found is None:
            raise NotFoundError(f"the documentation page has no file '{file[:64]}'")
        return found

    @get(["/v2/models/{name:str}/docs", "/v2/models/{name:str}/versions/{version:str}/docs"])
    async def model_docs(name: str, version: str | None = None) -> Response[bytes]:
        if not control.model_is_ready(name, version):
            raise UnavailableError(f"Model {name} is not ready, so what it takes is not known yet")
        return docs_page.page(f"Data Plane for Model {name}", depth=3 if version is None else 5)

    @get(
        [
            "/v2/models/{name:str}/docs/dataplane.json",
            "/v2/models/{name:str}/versions/{version:str}/docs/dataplane.json",
        ]
    )
    async def model_document(name: str, version: str | None = None) -> dict[str, Any]:
        return data_plane(settings.root_path, control.model_metadata(name, version), version)

    app = Litestar(
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
            docs,
            document,
            docs_file,
            model_docs,
            model_document,
        ],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=settings.max_body_bytes,
        exception_handlers={MLCoreError: _known, HTTPException: _http, Exception: _unknown},
    )
    return cast("App", app)


def _known(request: Request[Any, Any, Any], error: MLCoreError) -> Response[bytes]:
    return _error(status_of(error), error_body(str(error)), error_headers(error))


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    path, method = request.scope["path"], request.scope["method"]
    if error.status_code == 404:
        text = f"there is no path {path[:200]}; GET /v2/docs lists them"
    elif error.status_code == 405:
        text = f"{path[:200]} does not take {method[:16]}"
    else:
        text = str(error.detail)
    return _error(error.status_code, error_body(text), dict(error.headers or {}))


def _unknown(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _error(500, unexpected(error, request.scope["path"]), {})


def _error(status: int, body: bytes, headers: dict[str, str]) -> Response[bytes]:
    return Response(body, status_code=status, headers=headers, media_type="application/json")
