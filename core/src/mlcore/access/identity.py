"""Who asks: what a client shows, and whom it is found to be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mlcore.errors import UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.access.limit import Limit
    from mlcore.access.scopes import Scopes

AUTHORIZATION = b"authorization"


class Credentials(NamedTuple):
    """What a client shows of itself.

    Attributes:
        authorization: The value of its `Authorization` header, if there is one.
        certificate_names: The names in its certificate, if it showed one that was verified: `CN=`, `DNS=`, `URI=` or
            `email=` and the name.
    """

    authorization: bytes | None
    certificate_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A client that is known.

    Attributes:
        name: What it is called.
        scopes: What it may do.
        limit: How much it may ask for at once; `None` for any amount.
    """

    name: str
    scopes: Scopes
    limit: Limit | None = None


class Authenticator(ABC):
    """One way to know clients."""

    @abstractmethod
    def identify(self, credentials: Credentials) -> Identity | None:
        """Return who shows these credentials, or `None` if they mean nothing here.

        Called on the event loop for each request, hence fast, and without waiting for anything.
        """


def credentials_of(headers: Iterable[tuple[bytes, bytes]], certificate_names: tuple[str, ...] = ()) -> Credentials:
    """Return what the headers of a request, names in lower case, show of a client.

    Raises:
        UnauthenticatedError: They have two `Authorization`, of which others might read the other one.
    """
    values = [value for name, value in headers if name == AUTHORIZATION]
    if len(values) > 1:
        raise UnauthenticatedError(f"Authorization: expected it once, got it {len(values)} times")
    return Credentials(values[0] if values else None, certificate_names)


def without_authorization(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that models may see."""
    return [line for line in headers if line[0] != AUTHORIZATION]
