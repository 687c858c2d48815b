"""`MLServer`: a server that is started in Python."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from mlcore import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore import ModelSettings, Settings

__all__ = ["MLServer"]


class MLServer:
    """A server of models.

    Args:
        settings: Its settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: Server | None = None
        self._running: asyncio.Future[int] | None = None
        self._is_stopped = asyncio.Event()

    async def start(self, models_settings: Sequence[ModelSettings] = ()) -> None:
        """Serve models until `stop`, SIGTERM or Ctrl-C.

        Args:
            models_settings: The models; those of the setting `model_repository_root` if there are none.
        """
        self._server = Server(models=models_settings, settings=self._settings)
        running = self._running = asyncio.ensure_future(self._server.run())
        stopped = asyncio.ensure_future(self._is_stopped.wait())
        try:
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        finally:
            stopped.cancel()
            running.cancel()

    async def stop(self, sig: int | None = None) -> None:
        """Stop: no new clients, then let requests finish, then the models."""
        self._is_stopped.set()
        if self._running is not None:
            await asyncio.wait({self._running})
