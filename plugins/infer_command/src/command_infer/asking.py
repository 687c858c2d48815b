"""Asks a question, and asks again where that helps."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeVar

from mlcore.errors import (
    MLCoreError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)

from command_infer.errors import RunStoppedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mlcore_protocol import InferenceResponse

    from command_infer.client import Client, Question

Result = TypeVar("Result")

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0

_PATIENCE_S = 300.0
"""A server that wants to be asked later than this is not waited for."""

_PASSING = (UnavailableError, OverloadedError)
"""What may be over when the same is asked again. A wrong request stays wrong, and so may what a model stumbles over."""

_ABOUT_THE_RUN = (UnauthenticatedError, PermissionDeniedError, UnreachableError)


class Asker:
    """Asks through a client.

    Args:
        client: Who asks.
        retries: How often the same is asked again.
        say: Is told why.
    """

    def __init__(self, client: Client, retries: int, say: Callable[[str], None]) -> None:
        self._client = client
        self._retries = retries
        self._say = say

    async def check_model(self) -> None:
        """Make sure that there is somebody to ask.

        Raises:
            RunStoppedError: There is not.
        """
        try:
            await self._patiently(self._client.check_model)
        except RunStoppedError:
            raise
        except MLCoreError as error:
            raise RunStoppedError(str(error)) from error

    async def ask(self, question: Question) -> InferenceResponse | bytes:
        """Return the answer.

        Raises:
            RunStoppedError: No other question would be answered, either.
            MLCoreError: The server says no, for this question.
        """
        try:
            return await self._patiently(lambda: self._client.infer(question))
        except _ABOUT_THE_RUN as error:
            raise RunStoppedError(str(error)) from error
        except NotFoundError:
            await self.check_model()  # is it the model that is not found, or something that the model looked for?
            raise

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        wait_s = _FIRST_WAIT_S
        for left in range(self._retries, -1, -1):
            try:
                return await ask()
            except _PASSING as error:
                asked_s = error.retry_after_s
                if not left or (asked_s or 0) > _PATIENCE_S:
                    raise
                # Not all at the same time, and never sooner than the server wants.
                spread = random.random()  # noqa: S311  # nobody has to be unable to guess it
                pause_s = wait_s * (1 + spread) / 2 if asked_s is None else asked_s + spread / 10
                self._say(f"{error}; again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        raise AssertionError("unreachable")
