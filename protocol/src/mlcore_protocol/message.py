"""What every message of the protocol has: parameters, and the conversions to and from plain Python objects."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from mlcore_protocol.errors import InferenceError
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


# Options of pydantic's `model_dump` and `dict`, of whose values none changes what these return here.
_WITHOUT_EFFECT = frozenset(
    ("by_alias", "exclude_defaults", "exclude_none", "exclude_unset", "mode", "round_trip", "warnings")
)


class Parameters(dict[str, Any]):
    """The parameters of a request, a response or a tensor: a dict whose keys read as attributes too.

    `content_type` and `headers` are `None` where they are absent; any other absent name is an
    `AttributeError`, as on any object.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name in ("content_type", "headers"):
                return None
            raise AttributeError(f"no parameter {name!r}; there are: {', '.join(self) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return a plain dict of the parameters that are not `None`; options change nothing."""
        return {name: value for name, value in self.items() if value is not None}

    dict = model_dump


class Message(msgspec.Struct, omit_defaults=True):
    """The conversions that every message has. Absent members are left out of what they return."""

    def model_dump(
        self, *, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return the message as dicts and lists, as `json=` of a HTTP client takes it.

        Args:
            include: The only members that are wanted, by name; all of them if absent.
            exclude: Members that are not wanted.
            options: Other options of pydantic's method of this name, where they change nothing, as `exclude_none=True`.

        Raises:
            TypeError: An option would change something else.
        """
        for name, value in options.items():
            if name not in _WITHOUT_EFFECT or (name == "exclude_none" and not value):
                raise TypeError(
                    f"{name}={value!r}: not an option of a message; members that are absent are always left out, and "
                    "options besides include and exclude change nothing"
                )
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_to_builtin, builtin_types=(bytes,))
        if include is not None:
            plain = {name: value for name, value in plain.items() if name in include}
        if exclude is not None:
            plain = {name: value for name, value in plain.items() if name not in exclude}
        return plain

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Return the message as JSON text.

        Args:
            indent: How far nested lines are indented; all in one line if absent.
            options: Those of `model_dump`.

        Raises:
            InferenceError: Some tensor holds bytes that are not UTF-8, which JSON cannot carry.
            TypeError: An option is none of `model_dump`.
        """
        text = msgspec.json.encode(_jsonable(self.model_dump(**options)))
        return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy.

        Args:
            update: Members that the copy has others of.
            deep: Whether members are copied too; else both messages share them.
        """
        return msgspec.structs.replace(deepcopy(self) if deep else self, **(update or {}))

    @classmethod
    def model_construct(cls, **members: Any) -> Self:
        """Make the message; the same as calling the class."""
        return cls(**members)

    @classmethod
    def model_validate(cls, plain: Mapping[str, Any]) -> Self:
        """Make the message from dicts and lists.

        Raises:
            InferenceError: `plain` does not have the form of this message.
        """
        try:
            return msgspec.convert(plain, type=cls, dec_hook=_from_builtin)
        except msgspec.ValidationError as error:
            raise InferenceError(f"not a valid {cls.__name__}: {error}") from error

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Make the message from JSON text; like `model_validate`."""
        try:
            return cls.model_validate(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InferenceError(f"not valid JSON: {error}") from error

    # The names of older clients; the same methods.
    dict = model_dump
    json = model_dump_json
    parse_obj = model_validate
    parse_raw = model_validate_json
    copy = model_copy
    construct = model_construct


def _to_builtin(value: Any) -> Any:
    if isinstance(value, TensorData):
        return value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _from_builtin(expected: type, value: Any) -> Any:
    if expected is TensorData:
        return TensorData(value)
    if not isinstance(value, dict):
        raise ValueError(f"Expected an object of parameters, got {type(value).__name__}")
    return Parameters(value)


def _jsonable(value: Any) -> Any:
    """Replace bytes by the text they hold: JSON has no bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InferenceError(
                f"bytes that are not UTF-8 have no JSON form ({error}); encode them with the base64 codec"
            ) from error
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value
