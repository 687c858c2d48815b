"""Asks over HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import orjson
from mlcore import errors
from mlcore_protocol.v2_client import read_response, write_request
from yarl import URL

from command_infer.client import Client, Question
from command_infer.errors import ConnectionLostError, RunStoppedError, UnreachableError
from command_infer.tls import tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlcore_protocol import InferenceResponse

    from command_infer.options import Options

_ERRORS: dict[int, type[errors.MLCoreError]] = {
    401: errors.UnauthenticatedError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.DeadlineExceededError,
    409: errors.FailedPreconditionError,
    413: errors.PayloadTooLargeError,
    415: errors.UnsupportedMediaTypeError,
    429: errors.OverloadedError,
    499: errors.RequestCancelledError,
    502: errors.UnavailableError,
    503: errors.UnavailableError,
    504: errors.DeadlineExceededError,
}

_LONGEST_TEXT = 2000  # of an error that is not in the form of the protocol


class RestClient(Client):
    """A client over HTTP, which keeps as many connections as there are workers."""

    def __init__(self, options: Options) -> None:
        address = options.address
        model = f"{address}/v2/models/{quote(options.model_name, safe='')}"
        if options.model_version is not None:
            model += f"/versions/{quote(options.model_version, safe='')}"
        self._infer_url = URL(f"{model}/infer", encoded=True)
        self._ready_url = URL(f"{model}/ready", encoded=True)
        self._address = address
        self._is_binary = options.is_binary
        context = tls_context(address)
        # A compressed answer is more work for both than one as it is.
        headers = {"Accept-Encoding": "identity", **dict(options.headers)}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.workers, ssl=True if context is None else context),
            timeout=aiohttp.ClientTimeout(total=options.timeout_s),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._timeout_s = options.timeout_s

    async def infer(self, question: Question) -> InferenceResponse | bytes:
        """See `Client.infer`."""
        headers = {"Content-Type": "application/json"}
        if self._is_binary or question.text is None:
            encoded = write_request(question.request, self._is_binary)
            body = b"".join(encoded.buffers)
            headers["Content-Type"] = encoded.media_type
            if encoded.head_length is not None:
                headers["Inference-Header-Content-Length"] = str(encoded.head_length)
        else:
            body = question.text
        if question.request.id and _is_visible(question.request.id):
            headers["X-Request-Id"] = question.request.id
        async with self._asked("POST", self._infer_url, data=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise _error(answer, content)
        head_length = answer.headers.get("Inference-Header-Content-Length")
        if head_length is None:
            return content
        return read_response(content, int(head_length) if head_length.isdecimal() else -1)

    async def check_model(self) -> None:
        """See `Client.check_model`."""
        async with self._asked("GET", self._ready_url) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise _error(answer, content)

    @asynccontextmanager
    async def _asked(self, method: str, url: URL, **how: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, url, allow_redirects=False, **how) as answer:
                yield answer
        except TimeoutError as error:
            raise errors.DeadlineExceededError(
                f"no answer within {self._timeout_s:g} s; --timeout says how long"
            ) from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise RunStoppedError(f"no encrypted connection to {self._address}: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(f"cannot reach {self._address}: {error.os_error.strerror or error}") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise ConnectionLostError(f"the connection to {self._address} was lost: {_text_of(error)}") from error

    async def close(self) -> None:
        """See `Client.close`."""
        await self._session.close()


def _error(answer: aiohttp.ClientResponse, content: bytes) -> errors.MLCoreError:
    status = answer.status
    if 300 <= status < 400:
        where = answer.headers.get("Location", "elsewhere")
        return RunStoppedError(f"the server sends every request to {where}; give that address to --url")
    fallback = errors.InternalError if status >= 500 or status < 400 else errors.InferenceError
    kind = _ERRORS.get(status, fallback)
    text = _message(content)
    if status not in _ERRORS and status not in (400, 500):
        text = f"HTTP {status}: {text}"
    return kind(text, status, retry_after_s=_seconds(answer.headers.get("Retry-After")))


def _message(content: bytes) -> str:
    """Return what the body of an error says, in the form of the protocol or of another server."""
    try:
        plain = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode(errors="replace")[:_LONGEST_TEXT].strip() or "the server gave no reason"
    if isinstance(plain, dict):
        said = plain.get("error", plain.get("detail", plain))
        return said if isinstance(said, str) else orjson.dumps(said).decode()
    return orjson.dumps(plain).decode()


def _seconds(value: str | None) -> float | None:
    """Return what a `Retry-After` says, which may be a moment, too."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _text_of(error: Exception) -> str:
    return str(error) or type(error).__name__
