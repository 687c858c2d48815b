"""The errors of codecs."""

from __future__ import annotations

from typing import Any

from mlcore.errors import CodecError

from mlserver.errors import MLServerError

__all__ = ["CodecError", "CodecNotFound", "InputsNotFound", "OutputNotFound"]


class CodecNotFound(MLServerError):
    """No codec has this content type, or can encode this object."""

    def __init__(
        self,
        name: str | None = None,
        payload_type: str | None = None,
        is_input: bool = False,
        is_request: bool = False,
    ) -> None:
        field = f"{'request' if is_request else 'input' if is_input else 'output'}{f' {name!r}' if name else ''}"
        kind = f" for the type {payload_type}" if payload_type else ""
        super().__init__(f"{field}: no codec{kind} is installed or registered")


class OutputNotFound(MLServerError):
    """A returned value is not what its type hint says."""

    def __init__(self, output_idx: int, output_type: Any, output_hints: list[Any]) -> None:
        super().__init__(f"output-{output_idx}: expected one of {output_hints}, got {output_type}")


class InputsNotFound(MLServerError):
    """The inputs of a request are not those that a function takes."""

    def __init__(self, inputs: list[Any], input_hints: dict[str, Any]) -> None:
        super().__init__(f"inputs: expected {list(input_hints)}, got {[tensor.name for tensor in inputs]}")
