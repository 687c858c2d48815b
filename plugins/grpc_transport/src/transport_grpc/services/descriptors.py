"""The descriptors of the protocol's .proto files: which file defines a name, and the bytes of it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from betterproto2 import parse_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fields of the messages in google/protobuf/descriptor.proto.
_FILE = 1
_NAME = 1
_PACKAGE = 2
_DEPENDENCY = 3
_MESSAGE = 4
_ENUM = 5
_SERVICE = 6
_NESTED_MESSAGE = 3
_NESTED_ENUM = 4
_METHOD = 2
_VALUE = 2


class Descriptors:
    """The files of a FileDescriptorSet, by their names and by what they define."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._dependencies: dict[str, list[str]] = {}
        self._symbols: dict[str, str] = {}
        packed = files("mlcore_protocol").joinpath("protobuf", "descriptors.binpb").read_bytes()
        for body in _members(packed, _FILE):
            name = _text(body, _NAME)
            self._files[name] = body
            self._dependencies[name] = [member.decode() for member in _members(body, _DEPENDENCY)]
            for symbol in _defined(body):
                self._symbols[symbol] = name

    def of_file(self, name: str) -> list[bytes] | None:
        """Return a file and those that it imports; `None` if there is no such file."""
        if name not in self._files:
            return None
        wanted = [name]
        for known in wanted:
            wanted += [other for other in self._dependencies[known] if other not in wanted and other in self._files]
        return [self._files[known] for known in wanted]

    def of_symbol(self, symbol: str) -> list[bytes] | None:
        """Return the file that defines a service, method, message or enum, and those that it imports."""
        name = self._symbols.get(symbol)
        return None if name is None else self.of_file(name)


def _defined(file: bytes) -> Iterator[str]:
    package = _text(file, _PACKAGE)
    start = f"{package}." if package else ""
    for message in _members(file, _MESSAGE):
        yield from _in_message(message, start)
    for enum in _members(file, _ENUM):
        yield start + _text(enum, _NAME)
    for service in _members(file, _SERVICE):
        name = start + _text(service, _NAME)
        yield name
        for method in _members(service, _METHOD):
            yield f"{name}.{_text(method, _NAME)}"


def _in_message(message: bytes, start: str) -> Iterator[str]:
    name = start + _text(message, _NAME)
    yield name
    for field in _members(message, _VALUE):
        yield f"{name}.{_text(field, _NAME)}"
    for nested in _members(message, _NESTED_MESSAGE):
        yield from _in_message(nested, f"{name}.")
    for enum in _members(message, _NESTED_ENUM):
        yield f"{name}.{_text(enum, _NAME)}"


def _members(body: bytes, number: int) -> list[bytes]:
    return [field.value for field in parse_fields(body) if field.number == number]


def _text(body: bytes, number: int) -> str:
    found = _members(body, number)
    return found[0].decode() if found else ""
