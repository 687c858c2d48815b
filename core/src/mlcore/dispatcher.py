"""The dispatcher: the front of the data plane. It finds the model and counts what is under way, and opens no body."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from mlcore.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mlcore.engine import Answer, Call
    from mlcore.registry import ModelRegistry


class Dispatcher:
    """Takes calls from every transport to the models.

    Args:
        registry: The models.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._is_open = True

    def close(self) -> None:
        """Refuse every further call; those under way go on."""
        self._is_open = False

    async def infer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            MLCoreError: There is no such model, the request is wrong, or the model failed.
        """
        if not self._is_open:
            raise UnavailableError("the server is stopping", retry_after_s=1)
        served = self._registry.find(call.model, call.version)
        served.under_way += 1
        try:
            return await served.model.infer(call)
        finally:
            served.leave()

    async def stream(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers; like `infer`."""
        if not self._is_open:
            raise UnavailableError("the server is stopping", retry_after_s=1)
        served = self._registry.find(call.model, call.version)
        served.under_way += 1
        try:
            async with aclosing(served.model.stream(call)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            served.leave()
