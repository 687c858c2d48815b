"""The JSON of a V2 infer request down to its tensors, whose `data` stays text for the tensor's own reader.

Strict where the typed decoder is lenient: a key that stands twice, deep nesting and invalid text are refused in
members that nobody reads, too. Proving that there are none takes one count; only odd bodies are looked at closely.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mlcore_protocol.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol.limits import Limits

_logger = logging.getLogger(__name__)

# Below this many bytes one count costs less than finding colon after colon, which skips a tensor's numbers at once.
_SHORT = 2500

_BRACKETS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


class InputHead(msgspec.Struct, gc=False):
    """A tensor of a request; `data` is empty where it was absent."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class OutputHead(msgspec.Struct, gc=False):
    """An output that a request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class RequestHead(msgspec.Struct, gc=False):
    """A request, its members of the right types and nothing more known of them."""

    inputs: list[InputHead]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[OutputHead] | None = None


class _DataHead(msgspec.Struct, gc=False):
    data: msgspec.Raw = msgspec.Raw()


class _LengthHead(msgspec.Struct, gc=False):
    """A request of which nothing but its tensors' data is kept."""

    inputs: list[_DataHead]


class JsonHeadReader:
    """Reads the JSON of requests.

    Args:
        limits: What a request may hold; of these the reader checks the ones that concern JSON as such.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_members = 2 * limits.max_tensors * (6 + limits.max_parameters)
        self._decode_length = msgspec.json.Decoder(_LengthHead).decode
        self._decode = msgspec.json.Decoder(RequestHead).decode

    def read(self, text: bytes | bytearray) -> RequestHead:
        """Read a request.

        Raises:
            InferenceError: `text` is not JSON, has another form than a request, names a member twice, or is larger
                or nested deeper than the limits allow.
        """
        is_large = len(text) > self._limits.max_head_bytes
        try:
            # A million parameters would take their memory before they are counted.
            if is_large and _has_more_colons(text, self._most_members):
                self._check_length(text, self._decode_length(text).inputs)
            head = self._decode(text)
        except msgspec.ValidationError as error:
            raise InferenceError(validation_text(error)) from None
        except RecursionError:
            raise self._too_deep() from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InferenceError(f"the body is not valid JSON: {error}") from None
        if is_large:
            self._check_length(text, head.inputs)
        # Each key has its colon: as many colons as members that were read leave none for a twin or a stranger.
        if _has_more_colons(text, members := _members(head)):
            self._read_closely(text, head, members)
        return head

    def check_depth(self, text: bytes | bytearray) -> None:
        """Refuse `text` where its beginning is nested too deeply.

        That is what to tell a client whose request was wrong anyway: right ones are never that deep.

        Raises:
            InferenceError: The nesting is deeper than the limit.
        """
        text = text[: self._limits.max_head_bytes]
        # Two quick counts spare nearly every body the exact answer.
        if text.count(b"[") + text.count(b"{") <= self._limits.max_depth:
            return
        between_texts = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        steps = np.frombuffer(between_texts.translate(_BRACKETS, _NOT_BRACKETS), np.int8)
        if steps.cumsum(dtype=np.int64).max(initial=0) > self._limits.max_depth:
            raise self._too_deep()

    def _too_deep(self) -> InferenceError:
        return InferenceError(f"the body: its nesting depth is over the limit, {self._limits.max_depth}")

    def _check_length(self, text: bytes | bytearray, tensors: Sequence[InputHead | _DataHead]) -> None:
        length = len(text) - sum(len(tensor.data) for tensor in tensors)
        if length > self._limits.max_head_bytes:
            raise InferenceError(
                f"the body: expected at most {self._limits.max_head_bytes} bytes besides the inputs' data, got {length}"
            )

    def _read_closely(self, text: bytes | bytearray, head: RequestHead, members: int) -> None:
        if text.count(b":") - sum(bytes(tensor.data).count(b":") for tensor in head.inputs) == members:
            return
        rest = text if len(text) < _SHORT else _without_data(text, head.inputs)
        self.check_depth(rest)
        try:
            root = _read_exactly(rest.decode())
        except InferenceError:
            raise
        except (ValueError, RecursionError) as error:
            raise InferenceError(f"the body is not valid JSON: {error}") from None
        strangers = {*root} - {*RequestHead.__struct_fields__}
        for tensor in root["inputs"]:
            strangers |= {*tensor} - {*InputHead.__struct_fields__}
        if strangers:
            _logger.debug("Ignored unknown members: %s", ", ".join(ascii(name)[:64] for name in sorted(strangers)[:16]))


def validation_text(error: msgspec.ValidationError, root: str = "") -> str:
    """Turn "Expected `int`, got `str` - at `$.inputs[0].shape[0]`" into "inputs[0].shape[0]: expected int, got str".

    Args:
        error: What a decoder said.
        root: The field that the decoder was given; nothing for the whole body.
    """
    what, _, where = str(error).partition(" - at `")
    field = f"{root}{where.removesuffix('`').removeprefix('$')}".removeprefix(".") or "the body"
    return f"{field}: {what[:1].lower()}{what[1:]}".replace("`", "")


def _members(head: RequestHead) -> int:
    """Return how many members the objects that were read have, save those of `null`."""
    members = 1 if head.id is None else 2
    for tensor in head.inputs:
        members += 4 if len(tensor.data) else 3
        if tensor.parameters is not None:
            members += 1 + len(tensor.parameters)
    if head.parameters is not None:
        members += 1 + len(head.parameters)
    if head.outputs is not None:
        members += 1
        for output in head.outputs:
            members += 1 if output.parameters is None else 2 + len(output.parameters)
    return members


def _has_more_colons(text: bytes | bytearray, members: int) -> bool:
    if len(text) < _SHORT:
        return text.count(b":") != members
    position = -1
    for _ in range(members + 1):
        position = text.find(b":", position + 1)
        if position < 0:
            return False
    return True


def _without_data(text: bytes | bytearray, tensors: list[InputHead]) -> bytes:
    """Return `text` with a number in place of each tensor's data, which is checked elsewhere and may be large."""
    start = _address(text)
    kept = memoryview(text)
    pieces: list[bytes | memoryview] = []
    position = 0
    for tensor in tensors:
        if len(tensor.data):
            data = _address(tensor.data) - start
            pieces += (kept[position:data], b"0")
            position = data + len(tensor.data)
    return b"".join([*pieces, kept[position:]])


def _address(buffer: bytes | bytearray | msgspec.Raw) -> int:
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InferenceError(f"the body: the key {ascii(twice)[:64]} stands twice in one object")
    return members


# Numbers stay text: those in members that nobody reads may be of any length.
_read_exactly = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str).decode
