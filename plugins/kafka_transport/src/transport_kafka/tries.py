"""Asks a model again where that may help: it was busy, not ready, or its worker ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
from mlcore.errors import MLCoreError, ModelNotReadyError, OverloadedError

from transport_kafka.back_off import BackOff

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.dispatcher import Dispatcher
    from mlcore.engine import Answer, Call

_TEMPORARY_CODES = ("overloaded", "unavailable")
_TEMPORARY_STATUSES = (429, 503)


class GivenUpError(Exception):
    """The message is let go of while it waits to be tried again; it has neither an answer nor an error."""


class Tries:
    """The tries of one message.

    Args:
        dispatcher: Where calls go.
        most: How often a model may begin with the message and not answer it. A model that never began is asked for
            as long as it takes.
        letting_go: Set when nobody waits for the message here any more.
        told: Called with an error's code before each further try.

    Attributes:
        count: How often the model has begun, or was ready to, and did not answer for now.
    """

    def __init__(
        self, dispatcher: Dispatcher, most: int, letting_go: asyncio.Event, told: Callable[[str], None]
    ) -> None:
        self._infer = dispatcher.infer
        self._most = most
        self._letting_go = letting_go
        self._told = told
        self.count = 0

    async def infer(self, call: Call) -> Answer:
        """Return the model's answer.

        Raises:
            MLCoreError: The request is wrong, the model failed, or it was tried too often.
            GivenUpError: It is let go of.
        """
        back_off = BackOff()
        while True:
            try:
                return await self._infer(call)
            except MLCoreError as error:
                if not _is_temporary(error):
                    self.count += 1
                    raise
                if not isinstance(error, OverloadedError | ModelNotReadyError):
                    self.count += 1
                    if self.count >= self._most:
                        raise
                self._told(error.code)
                wait_s = back_off.next_s(error.retry_after_s or 0.0)
            await self._wait(wait_s)
            call = msgspec.structs.replace(call, arrived=time.monotonic(), deadline=None, sent=0.0)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._letting_go.wait()
        except TimeoutError:
            return
        raise GivenUpError


def _is_temporary(error: MLCoreError) -> bool:
    if error.status_code is not None:
        return error.status_code in _TEMPORARY_STATUSES
    return error.code in _TEMPORARY_CODES
