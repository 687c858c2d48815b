"""What a message of the input topic asks: the facts are in its headers, and nothing of its value is read here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.access.identity import AUTHORIZATION, credentials_of
from mlcore.engine import Call
from mlcore.errors import InferenceError, PayloadTooLargeError
from mlcore.request_id import request_id_of

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from mlcore.access.identity import Credentials
    from mlcore_protocol import Buffer

JSON = "application/json"
BINARY = "application/octet-stream"
CONTENT_TYPE = "content-type"
HEAD_LENGTH = "inference-header-content-length"
REQUEST_ID = "x-request-id"
MODEL = "mlcore-model"
VERSION = "mlcore-version"

_AUTHORIZATION = AUTHORIZATION.decode()

# MLServer's names, by ours.
_OTHER_NAMES = {MODEL: "mlserver-model", VERSION: "mlserver-version", "mlcore-method": "mlserver-method"}
# All headers of a message; they go to the model too.
_MOST_HEADER_BYTES = 64 * 1024
# Arrays are views of the value; every datatype is aligned if its first byte is a multiple of this.
_ALIGNMENT = 16


class Message:
    """A message of the input topic, as far as it can be read without looking at its value.

    Args:
        record: The message.

    Attributes:
        headers: Its headers, names in lower case.
        model: The model that it names, if it does.
        version: The version that it names, if it does.
        request_id: The id under which logs know it.
    """

    def __init__(self, record: ConsumerRecord[bytes | None, bytes | None]) -> None:
        self.record = record
        self.headers = [(name.lower(), value or b"") for name, value in record.headers]
        self._values = dict(reversed(self.headers))
        self.model: str | None = None
        self.version: str | None = None
        self.request_id = request_id_of(self._values.get(REQUEST_ID)) or request_id_of(record.key)

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """The headers as the dispatcher and traces want them."""
        return [(name.encode(), value) for name, value in self.headers]

    def header(self, name: str) -> bytes | None:
        """Return the first value of a header."""
        return self._values.get(name)

    def take_credentials(self) -> Credentials:
        """Return what it shows of its sender, which neither models nor other messages get any more.

        Raises:
            UnauthenticatedError: It shows two things.
        """
        lines = self.lines
        self.headers = [line for line in self.headers if line[0] != _AUTHORIZATION]
        self._values.pop(_AUTHORIZATION, None)
        return credentials_of(lines)

    def call(self, max_body_bytes: int) -> Call:
        """Return what the dispatcher wants to know of it.

        Raises:
            InferenceError: It lacks a header or its value, or a header is wrong.
            PayloadTooLargeError: It is over a limit.
        """
        self.model = self._named(MODEL)
        self.version = self._named(VERSION)
        if self.model is None:
            raise InferenceError(f"header {MODEL}: missing; it names the model")
        method = self._named("mlcore-method")
        if method not in (None, "infer"):
            raise InferenceError(f"header mlcore-method: expected infer, got '{method[:64]}'")
        value = self.record.value
        if value is None:
            raise InferenceError("the message has no value; expected the request")
        if len(value) > max_body_bytes:
            raise PayloadTooLargeError(
                f"the message has {len(value)} bytes, more than {max_body_bytes}, the setting max_body_bytes"
            )
        size = sum(len(name) + len(text) for name, text in self.headers)
        if size > _MOST_HEADER_BYTES:
            raise PayloadTooLargeError(f"the headers have {size} bytes; expected no more than {_MOST_HEADER_BYTES}")
        head_length = self._head_length()
        if head_length is not None and head_length > len(value):
            raise InferenceError(
                f"header {HEAD_LENGTH}: expected 0 to {len(value)}, the length of the message, got {head_length}"
            )
        media_type = self._media_type(head_length)
        body = value if head_length is None else _aligned(value, head_length)
        return Call(self.model, self.version, media_type, body, head_length, self.lines, self.request_id)

    def _named(self, name: str) -> str | None:
        """Return what a header says, whichever of its two names it has.

        Raises:
            InferenceError: Both are there and differ, or it is no text.
        """
        given = {value for known in (name, _OTHER_NAMES[name]) if (value := self._values.get(known))}
        if len(given) > 1:
            raise InferenceError(f"headers {name} and {_OTHER_NAMES[name]} differ; leave one out")
        try:
            return given.pop().decode() if given else None
        except UnicodeDecodeError:
            raise InferenceError(f"header {name}: expected text in UTF-8") from None

    def _media_type(self, head_length: int | None) -> str:
        named = (self._values.get(CONTENT_TYPE) or b"").decode("latin-1").partition(";")[0].strip().lower()
        if head_length is not None and named in ("", JSON):
            return BINARY
        return JSON if named in ("", BINARY) and head_length is None else named

    def _head_length(self) -> int | None:
        text = self._values.get(HEAD_LENGTH)
        if text is None:
            return None
        if not text.isdigit() or len(text) > 18:
            shown = text[:64].decode("latin-1")
            raise InferenceError(f"header {HEAD_LENGTH}: expected the bytes of the JSON head, got '{shown}'")
        return int(text)


def _aligned(value: bytes, head_length: int) -> Buffer:
    """Return a value in memory such that what follows its head is aligned, and may be written to."""
    padding = -head_length % _ALIGNMENT
    return memoryview(bytearray(padding) + value)[padding:]
