"""The port of a transport: how it is taken, and how it is called."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from mlcore.errors import PortInUseError

# Clients that are connected and not accepted yet.
_BACKLOG = 2048


def listen(host: str, port: int, transport: str, remedy: str, is_shared: bool = False) -> socket.socket:
    """Take a port, and return the socket that listens on it; on a shared one, whoever starts to accept lets it listen.

    Args:
        host: The address.
        port: The port; 0 takes a free one.
        transport: What the error calls who wants it.
        remedy: What the error says to do.
        is_shared: Whether others that want that too may listen on the same port. Each gets a part of the clients from
            the moment that it listens.

    Raises:
        PortInUseError: It is taken, or may not be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol, for asyncio asks a socket for that before it sets TCP_NODELAY.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        taken.bind((host, port))
        if not is_shared:
            taken.listen(_BACKLOG)
    except OSError as error:
        taken.close()
        raise PortInUseError(
            f"the {transport} transport cannot listen on {host}:{port}: {error.strerror}; {remedy}"
        ) from error
    return taken


def address_of(host: str, port: int, listening: socket.socket | None) -> str:
    """Return `host:port` as an address has it, with the real port once somebody listens."""
    if listening is not None:
        port = listening.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False
