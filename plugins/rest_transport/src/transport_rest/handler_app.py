"""The custom handlers of one model as an app on Litestar, next to the model: it reads arguments and writes results."""

from __future__ import annotations

import asyncio
import secrets
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from mlcore.engine import Answer, Call, HandlerRoute, Handlers
from mlcore.errors import InternalError, MLCoreError, ModelLoadError
from mlcore.handlers import HTTP_REQUEST, CustomHandler, HandlerApp
from mlcore.logs import RequestContext, get_logger, request_context
from mlcore.telemetry.owner import model_owner
from mlcore.telemetry.steps import Steps

from transport_rest.handler_arguments import hints_of
from transport_rest.handler_body import BODY, HandlerBody
from transport_rest.handler_endpoint import endpoint_of, is_response, with_messages
from transport_rest.handler_errors import FAILURE, NAMES, note_failure
from transport_rest.http_messages import ResponseHead, packed, request_of
from transport_rest.own_paths import own_path_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mlcore.model import MLModel

    from transport_rest.asgi import App, Message, Scope

log = get_logger("mlcore.host")

_TYPE_ENCODERS = {np.ndarray: lambda array: array.tolist(), np.generic: lambda number: number.item()}


def handler_app(model: MLModel, handlers: list[CustomHandler]) -> HandlerApp:
    """Make the app of a model's custom handlers.

    Raises:
        ModelLoadError: A handler's path, arguments or result cannot be served.
    """
    for handler in handlers:
        if own := own_path_of(handler.rest_path):
            raise ModelLoadError(
                f"custom handler '{handler.name}': {handler.rest_method} {handler.rest_path} is a path of the server, "
                f"{own}; change its rest_path"
            )
    routes = [_route(handler) for handler in handlers]
    try:
        app = Litestar(
            routes,
            openapi_config=None,
            logging_config=None,
            debug=False,
            pdb_on_exception=False,
            exception_handlers=dict.fromkeys(_with_status(), note_failure),
            type_encoders=_TYPE_ENCODERS,
        )
    except Exception as error:  # whatever is wrong with a signature
        raise ModelLoadError(f"custom handlers: {error}") from error
    return HandlerApp(_described(handlers, routes), HandlerAnswers(model, cast("App", app)).answer)


def _with_status() -> list[type[Exception]]:
    """Return the classes of exceptions that Litestar would answer by itself, and that of all others."""
    kinds: list[type[Exception]] = [Exception, HTTPException]
    try:
        return [*kinds, import_module("starlette.exceptions").HTTPException]
    except ImportError:  # it comes with FastAPI, which need not be here
        return kinds


def _route(handler: CustomHandler) -> HTTPRouteHandler:
    endpoint, path, names = endpoint_of(handler)
    # A response knows by itself what it is.
    media_type = None if is_response(hints_of(handler).get("return")) else "application/json"
    try:
        return HTTPRouteHandler(
            path,
            http_method=cast("Any", handler.rest_method),
            status_code=200,
            media_type=media_type,
            opt={NAMES: names},
            name=f"{handler.name} {handler.rest_method} {path}",
            description=(handler.method.__doc__ or "").strip() or None,
            summary=_summary(handler),
        )(endpoint)
    except Exception as error:  # whatever Litestar finds wrong
        raise ModelLoadError(f"custom handler '{handler.name}': {error}") from error


def _summary(handler: CustomHandler) -> str:
    return (handler.method.__doc__ or handler.name).strip().partition("\n")[0]


def _described(handlers: list[CustomHandler], routes: list[HTTPRouteHandler]) -> Handlers:
    """Return the handlers as plain data, with their OpenAPI parts, as far as their types have any."""
    try:
        config = OpenAPIConfig(title="", version="", path=f"/{secrets.token_hex(8)}")
        document = Litestar(routes, openapi_config=config, logging_config=None).openapi_schema.to_schema()
    except Exception as error:  # a type without a schema is no reason not to serve it
        log.warning("custom handlers have no OpenAPI part", reason=str(error)[:256])
        document = {}
    paths = document.get("paths", {})
    described = []
    for handler in handlers:
        path = handler.rest_path.replace(":path}", "}")
        operations = {_untyped(known): operation for known, operation in paths.items()}
        operation = operations.get(_untyped(path), {}).get(handler.rest_method.lower(), {})
        operation = with_messages(handler, operation)
        described.append(HandlerRoute(handler.name, handler.rest_path, handler.rest_method, operation))
    return Handlers(described, document.get("components", {}).get("schemas", {}))


def _untyped(path: str) -> str:
    return "/".join(part.partition(":")[0].rstrip("}") for part in path.split("/"))


class HandlerAnswers:
    """Answers the HTTP requests to the custom handlers of one model.

    Args:
        model: The model.
        app: The app of its handlers.
    """

    def __init__(self, model: MLModel, app: App) -> None:
        self._name = model.name
        self._version = model.version
        self._app = app
        self._owner = model_owner.get()
        self._background: set[asyncio.Task[None]] = set()

    async def answer(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one request: first its head, with all of the body or with its first piece, then the other pieces.

        Raises:
            MLCoreError: The request is wrong, or the handler failed.
        """
        assert call.head_length is not None, "a request has a head"
        request_context.set(RequestContext(self._name, self._version, call.request_id))
        model_owner.set(self._owner)
        taken = time.monotonic()
        scope, body = _request_of(call)
        sent: asyncio.Queue[Message | BaseException | None] = asyncio.Queue(2)
        running = asyncio.create_task(self._run(scope, body, sent))
        start: Message | None = None
        is_answered = False
        try:
            while (message := await sent.get()) is not None:
                if isinstance(message, BaseException):
                    raise message
                if message["type"] == "http.response.start":
                    start = message
                    continue
                is_last = not message.get("more_body")
                now = time.monotonic()
                steps = Steps(taken, taken, taken, now, now)
                piece = message.get("body", b"")
                if start is not None:
                    head = packed(ResponseHead(start["status"], list(start.get("headers", ())), is_last))
                    start = None
                    yield Answer(HTTP_REQUEST, [head, piece], len(head), steps=steps)
                elif piece:
                    yield Answer(HTTP_REQUEST, [piece], steps=steps)
                if is_last:
                    is_answered = True
                    break
        finally:
            if is_answered:  # what a handler leaves to be done after its answer
                self._background.add(running)
                running.add_done_callback(self._background.discard)
            else:
                running.cancel()
                await asyncio.wait({running})

    async def _run(self, scope: Scope, body: HandlerBody, sent: asyncio.Queue[Message | BaseException | None]) -> None:
        async def send(message: Message) -> None:
            if FAILURE in scope:
                return  # its answer is an error of ours
            if message["type"] == "http.response.body" and not message.get("more_body"):
                body.answered.set()
            await sent.put(message)

        outcome: BaseException | None = None
        try:
            await self._app(scope, body.receive(), send)
            if FAILURE in scope:
                outcome = self._told(scope[FAILURE])
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = self._told(error)
        except (Exception, SystemExit) as error:  # a user's method may raise anything
            outcome = self._told(error)
        await sent.put(outcome)

    def _told(self, error: BaseException) -> MLCoreError:
        """Return what the client is told of an error; one that nobody foresaw is logged."""
        if isinstance(error, MLCoreError):
            return error
        error_id = secrets.token_hex(6)
        log.error("the model failed", step="custom handler", error_id=error_id, exc_info=error)
        return InternalError(
            f"the model '{self._name}' failed on this request; the server's log has the details, error id {error_id}"
        )


def _request_of(call: Call) -> tuple[Scope, HandlerBody]:
    head, content = request_of(call.body, call.head_length or 0)
    body = HandlerBody(content)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.http_version,
        "method": head.method,
        "scheme": head.scheme,
        "path": head.path,
        "raw_path": head.path.encode(),
        "query_string": head.query,
        "root_path": "",
        "headers": call.headers,
        "client": head.client,
        "server": head.server,
        "state": {},
        "extensions": {},
        BODY: body,
    }
    return scope, body
