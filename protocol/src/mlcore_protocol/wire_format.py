"""What a wire format is: bytes to an `InferenceRequest`, an `InferenceResponse` to bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol.messages import InferenceRequest, InferenceResponse, MetadataTensor

Buffer = bytes | bytearray | memoryview
"""A body, or a piece of one."""


class Encoded(msgspec.Struct, frozen=True):
    """A message as bytes.

    Attributes:
        media_type: What the bytes are.
        buffers: The bytes, in order; nobody joins them but the socket.
        head_length: How many of the bytes are the JSON head, where binary tensors follow it; else `None`.
    """

    media_type: str
    buffers: list[Buffer]
    head_length: int | None = None


class WireFormat(ABC):
    """Bytes to messages and back, for one or more media types. Knows no socket, and no state."""

    @abstractmethod
    def decode(
        self, body: Buffer, head_length: int | None = None, declared: Sequence[MetadataTensor] = ()
    ) -> InferenceRequest:
        """Read a request.

        Args:
            body: The whole body; tensors may be views of it, so nobody may write to it afterwards.
            head_length: Bytes of the JSON head, where the transport was told so.
            declared: The inputs that the model declares, for formats that leave them out of the body.

        Raises:
            InferenceError: The body is not a valid request; the message names the field.
        """

    @abstractmethod
    def encode(self, response: InferenceResponse, request: InferenceRequest) -> Encoded:
        """Write a response in the form that `request` asks for.

        Raises:
            InternalError: The response holds something that this format cannot carry.
        """
