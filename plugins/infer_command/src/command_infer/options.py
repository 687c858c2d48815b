"""What a run was asked to do, checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

_SCHEMES = {"http": "rest", "https": "rest", "grpc": "grpc", "grpcs": "grpc"}
_PORTS = {"rest": 8080, "grpc": 8081}
_ENCRYPTED_PORTS = {"rest": 443, "grpc": 443}

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_OWN_HEADERS = ("content-type", "content-length", "transfer-encoding", "host", "inference-header-content-length", "te")
"""Headers that belong to a request itself."""


@dataclass(frozen=True)
class Address:
    """Where the server is.

    Attributes:
        transport: `rest` or `grpc`.
        host: Its name or IP address.
        port: Its port.
        path: What stands before `/v2` in its paths.
        is_encrypted: Whether connections are TLS.
        checks_certificate: Whether the server's certificate has to be right.
    """

    transport: str
    host: str
    port: int
    path: str = ""
    is_encrypted: bool = False
    checks_certificate: bool = True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        name = ("https" if self.is_encrypted else "http") if self.transport == "rest" else "grpc"
        name += "s" if self.transport == "grpc" and self.is_encrypted else ""
        return f"{name}://{host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Options:
    """What a run was asked to do. Times are in seconds; `-` as a path is the standard stream."""

    address: Address
    model_name: str
    model_version: str | None
    input_path: str
    output_path: str
    resume: bool
    as_completed: bool
    workers: int
    batch_size: int
    is_binary: bool
    retries: int
    timeout_s: float
    headers: tuple[tuple[str, str], ...]
    interval_s: float
    jitter_s: float
    verbosity: int


def options_of(given: Namespace) -> Options:
    """Check what the command line says.

    Raises:
        SettingsError: It cannot be done so.
    """
    for name, least in (("workers", 1), ("batch_size", 1), ("retries", 0), ("batch_interval", 0), ("batch_jitter", 0)):
        value = getattr(given, name)
        if not least <= value < math.inf:
            raise SettingsError(f"--{name.replace('_', '-')}: expected {least} or more, got {value}")
    if not 0 < given.timeout < math.inf:
        raise SettingsError(f"--timeout: expected more than 0 seconds, got {given.timeout}")
    if not given.model_name:
        raise SettingsError("--model-name: expected the name of a model, got an empty one")
    if given.resume and given.output_data_path == "-":
        raise SettingsError("--resume: needs the file that the earlier run wrote; name it with --output-data-path")
    return Options(
        address=_address(given),
        model_name=given.model_name,
        model_version=given.model_version or None,
        input_path=given.input_data_path,
        output_path=given.output_data_path,
        resume=given.resume,
        as_completed=given.as_completed,
        workers=given.workers,
        batch_size=given.batch_size,
        is_binary=given.binary_data,
        retries=given.retries,
        timeout_s=given.timeout,
        headers=tuple(_header(line) for line in given.request_headers or ()),
        interval_s=given.batch_interval,
        jitter_s=given.batch_jitter,
        verbosity=given.verbose,
    )


def _address(given: Namespace) -> Address:
    url = given.url or "localhost"
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"--url: {error}; expected one like http://localhost:8080, got {url!r}") from None
    if parts.scheme and parts.scheme not in _SCHEMES:
        raise SettingsError(f"--url: expected {_either(_SCHEMES)}://, got {url!r}")
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"--url: expected a host, a port and no more than a path, got {_without_secrets(parts)!r}")
    transport = _SCHEMES.get(parts.scheme) or given.transport or "rest"
    if given.transport not in (None, transport):
        raise SettingsError(f"--transport: {given.transport} does not go with {parts.scheme}://; leave one out")
    path = parts.path.rstrip("/").removesuffix("/v2")
    if path and transport == "grpc":
        raise SettingsError(f"--url: gRPC knows no paths, got {path!r}; leave it out")
    is_encrypted = given.use_ssl or parts.scheme in ("https", "grpcs")
    if parts.scheme in ("http", "grpc") and given.use_ssl:
        raise SettingsError(f"--use-ssl: does not go with {parts.scheme}:// of --url; leave one out")
    if port is None:
        # A bare name is a server as it starts; a whole URL means what it means everywhere.
        port = (_ENCRYPTED_PORTS if is_encrypted else _PORTS)[transport]
        port = 80 if parts.scheme == "http" else port
    return Address(transport, parts.hostname, port, path, is_encrypted, not given.insecure)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise SettingsError(f"--request-headers: expected 'NAME: VALUE', got {name[:64]!r}")
    if not (value.isascii() and (value.isprintable() or not value)):
        raise SettingsError(f"--request-headers: the value of {name} has characters that are not printable ASCII")
    if name.lower() in _OWN_HEADERS:
        raise SettingsError(f"--request-headers: {name} is set for each request and cannot be given; leave it out")
    return name, value


def _without_secrets(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname or ''}..." if parts.username is not None else parts.geturl()


def _either(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"
