"""The body of a request to a custom handler, as ASGI gives it: there may be several who read it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transport_rest.asgi import Message, Receive

BODY = "transport_rest.body"
"""Where the scope of a request to a custom handler has its body."""


class HandlerBody:
    """A whole body.

    Args:
        body: Its bytes.

    Attributes:
        answered: Set when the answer is whole. A client that leaves before cancels the request, without a message.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.answered = asyncio.Event()

    def receive(self) -> Receive:
        """Return ASGI's `receive`, from the beginning of the body."""
        is_given = False

        async def receive() -> Message:
            nonlocal is_given
            if is_given:
                await self.answered.wait()
                return {"type": "http.disconnect"}
            is_given = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        return receive
