"""What a transport is: it accepts clients on a socket, and knows nothing of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings


class Transport(ABC):
    """One way in: REST, gRPC, metrics.

    The server calls `bind` on every transport before anything else, so that a port that is taken stops the start
    while nothing runs yet; then `start`; and at the end `stop`.

    Args:
        settings: The server's settings.
        dispatcher: Where requests for models go.
        control: Where everything else is asked.
    """

    name: str

    def __init__(self, settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> None:
        self.settings = settings
        self.dispatcher = dispatcher
        self.control = control

    @abstractmethod
    def bind(self) -> None:
        """Take the port.

        Raises:
            PortInUseError: It is taken, or may not be opened.
        """

    @property
    @abstractmethod
    def url(self) -> str:
        """The address that clients use, with the real port; valid after `bind`."""

    @property
    def extensions(self) -> list[str]:
        """The protocol extensions that this transport serves, for the server's metadata."""
        return []

    @abstractmethod
    async def start(self) -> None:
        """Begin to answer. Models may not be loaded yet."""

    @abstractmethod
    async def stop(self, grace_s: float) -> None:
        """Accept nothing new, let what is under way finish within `grace_s` seconds, then close.

        Also called when `start` was not, or failed.
        """
