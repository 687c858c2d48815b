"""Asks over gRPC. Messages pass through grpclib as bytes: what is in them is the protocol package's to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from mlcore import errors
from mlcore_protocol.protobuf_client import ProtobufResponseReader, write_request
from mlcore_protocol.protobuf_wire import with_length

from command_infer.client import Client, Question
from command_infer.errors import ConnectionLostError, RunStoppedError, UnreachableError
from command_infer.tls import tls_context

if TYPE_CHECKING:
    from mlcore_protocol import InferenceResponse

    from command_infer.options import Options

_SERVICE = "/inference.GRPCInferenceService"

_PUSHBACK = "grpc-retry-pushback-ms"

_WINDOW = 16 * 2**20
"""Bytes that a server may send ahead: large answers would otherwise come in many round trips."""

_ERRORS: dict[Status, type[errors.MLCoreError]] = {
    Status.ABORTED: errors.UnavailableError,
    Status.ALREADY_EXISTS: errors.FailedPreconditionError,
    Status.CANCELLED: errors.RequestCancelledError,
    Status.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    Status.FAILED_PRECONDITION: errors.FailedPreconditionError,
    Status.INVALID_ARGUMENT: errors.InferenceError,
    Status.NOT_FOUND: errors.NotFoundError,
    Status.OUT_OF_RANGE: errors.InferenceError,
    Status.PERMISSION_DENIED: errors.PermissionDeniedError,
    Status.RESOURCE_EXHAUSTED: errors.PayloadTooLargeError,
    Status.UNAUTHENTICATED: errors.UnauthenticatedError,
    Status.UNAVAILABLE: errors.UnavailableError,
    Status.UNIMPLEMENTED: errors.UnsupportedMediaTypeError,
}


class _Bytes(CodecBase):
    """Leaves messages as they are."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message  # type: ignore[no-any-return]

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return data


class GrpcClient(Client):
    """A client over gRPC: one connection, on which all requests are."""

    def __init__(self, options: Options) -> None:
        self._address = options.address
        self._model = options.model_name, options.model_version
        self._is_binary = options.is_binary
        self._timeout_s = options.timeout_s
        self._headers = [(name.lower(), value) for name, value in options.headers]
        self._reader = ProtobufResponseReader()
        self._channel = Channel(
            options.address.host,
            options.address.port,
            ssl=tls_context(options.address),
            codec=_Bytes(),
            config=Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW),
        )
        self._infer: Any = UnaryUnaryMethod(self._channel, f"{_SERVICE}/ModelInfer", bytes, bytes)
        self._ready: Any = UnaryUnaryMethod(self._channel, f"{_SERVICE}/ModelReady", bytes, bytes)

    async def infer(self, question: Question) -> InferenceResponse | bytes:
        """See `Client.infer`."""
        message = b"".join(write_request(question.request, *self._model, self._is_binary))
        return self._reader.read(await self._asked(self._infer, message))

    async def check_model(self) -> None:
        """See `Client.check_model`."""
        name, version = self._model
        message = with_length(1, name.encode()) + (with_length(2, version.encode()) if version else b"")
        # The answer is one field, a boolean: whoever says no leaves it out, or says 0.
        if await self._asked(self._ready, message) != b"\x08\x01":
            raise errors.UnavailableError(f"the model {name} is not ready")

    async def _asked(self, method: Any, message: bytes) -> bytes:
        stream = None
        try:
            async with method.open(timeout=self._timeout_s, metadata=self._headers) as stream:
                await stream.send_message(message, end=True)
                answer: bytes | None = await stream.recv_message()
                await stream.recv_trailing_metadata()
        except GRPCError as error:
            raise _error(error, stream.trailing_metadata if stream is not None else None) from error
        except TimeoutError as error:
            raise errors.DeadlineExceededError(
                f"no answer within {self._timeout_s:g} s; --timeout says how long"
            ) from error
        except (StreamTerminatedError, ProtocolError, ConnectionError) as error:
            if isinstance(error, ConnectionRefusedError):
                raise self._unreachable(error) from error
            raise ConnectionLostError(f"the connection to {self._address} was lost: {error}") from error
        except OSError as error:  # also those of TLS and of names that nobody knows
            raise self._unreachable(error) from error
        if answer is None:
            raise errors.InternalError("the server answered without a message")
        return answer

    def _unreachable(self, error: OSError) -> errors.MLCoreError:
        import ssl

        if isinstance(error, ssl.SSLError):
            return RunStoppedError(f"no encrypted connection to {self._address}: {error}")
        return UnreachableError(f"cannot reach {self._address}: {error.strerror or error}")

    async def close(self) -> None:
        """See `Client.close`."""
        self._channel.close()


def _error(error: GRPCError, metadata: Any) -> errors.MLCoreError:
    kind = _ERRORS.get(error.status, errors.InternalError)
    text = error.message or "the server gave no reason"
    pushback = (metadata or {}).get(_PUSHBACK, "")
    after_s = int(pushback) / 1000 if str(pushback).isdecimal() else None
    if kind is errors.PayloadTooLargeError and after_s is not None:
        kind = errors.OverloadedError  # one word for both; but only what passes has a time
    return kind(text, retry_after_s=after_s)
