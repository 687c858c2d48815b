"""What a transport is: it accepts clients on a socket, and knows nothing of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError, UnknownNameError

if TYPE_CHECKING:
    from mlcore.catalogue import Offer
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.plugins import Plugins
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
    listens = True
    """Whether it takes a port that clients reach."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> None:
        self.settings = settings
        self.dispatcher = dispatcher
        self.control = control

    @property
    def is_wanted(self) -> bool:
        """Whether the settings have anything for it to do; the server leaves one alone that has not."""
        return True

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

        Also called when `start` was not, or failed; and a second time, with 0 seconds, if the first one is to be cut
        short.
        """


def find_transports(settings: Settings, plugins: Plugins) -> list[Offer[type[Transport] | str]]:
    """Return what is offered as the transports that the settings name.

    Raises:
        SettingsError: One is not installed, or named twice, or Kafka is wanted and left out.
        AmbiguousNameError: Two plugins offer one.
    """
    names = settings.transports
    if names is None:
        names = sorted({offer.name for offer in plugins.transports})
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"transports: '{name}' stands there twice; keep one of them")
    if settings.kafka_enabled and "kafka" not in names:
        remedy = "pip install transport-kafka" if settings.transports is None else "add it to the setting transports"
        raise SettingsError(f"kafka_enabled: there is no transport 'kafka'; {remedy}")
    try:
        return [plugins.transports.get(name) for name in names]
    except UnknownNameError as error:
        raise SettingsError(f"transports: {error}") from error
