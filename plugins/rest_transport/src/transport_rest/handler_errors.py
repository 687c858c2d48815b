"""What a custom handler raises, as what its client is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from litestar import Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    ImproperlyConfiguredException,
    SerializationException,
    ValidationException,
)
from mlcore.errors import InferenceError

from transport_rest.status import error_body

if TYPE_CHECKING:
    from litestar import Request

NAMES = "names"
"""Where the options of a route have what clients call its parameters."""
FAILURE = "transport_rest.handler_failure"
"""Where the scope of a request has the error that its handler raised, if the error is not an answer by itself."""

_MISSING = re.compile(r"Missing required (\w+) parameter '([^']+)'")


def note_failure(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer with an error that has a status of its own; take note of any other, for whoever asked the app."""
    if isinstance(error, ValidationException):
        names = request.scope["route_handler"].opt[NAMES]
        error = InferenceError(_validation_text(error, names))
    elif isinstance(error, ClientException) and isinstance(error.__cause__, SerializationException):
        error = InferenceError(f"the body: {_lowered(error.detail)}")
    elif _has_status(error):
        own = cast("Any", error)
        body = error_body(str(own.detail))
        headers = dict(own.headers or {})
        return Response(body, status_code=int(own.status_code), headers=headers, media_type="application/json")
    request.scope[FAILURE] = error  # type: ignore[literal-required]  # a scope may hold more
    return Response(b"", status_code=500)


def _has_status(error: Exception) -> bool:
    """Say whether an exception is the `HTTPException` of Litestar, Starlette or FastAPI, which need not be there."""
    if isinstance(error, HTTPException):
        return not isinstance(error, ImproperlyConfiguredException)  # a result that cannot be written
    return any(
        kind.__name__ == "HTTPException" and kind.__module__.startswith("starlette.") for kind in type(error).__mro__
    )


def _validation_text(error: ValidationException, names: dict[str, str]) -> str:
    """Return which argument is wrong, and why."""
    problems = []
    for problem in error.extra if isinstance(error.extra, list) else ():
        key, text = problem.get("key", ""), problem.get("message", "")
        first, dot, rest = key.partition(".")
        where = "the body" if key == "data" else names.get(first, first) + dot + rest
        if text == f"'{key}'":  # the text of a KeyError
            text = "missing"
        problems.append(f"{where}: {_lowered(text)}" if where else text)
    missing = _MISSING.match(error.detail)
    if not problems and missing is not None:
        problems.append(f"{missing[2]}: missing; it is a {missing[1]} parameter")
    return "; ".join(problems) or error.detail


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
