"""The parameters of a request that are the server's own: `priority` and `timeout`.

Source: Open Inference Protocol, as Triton's extensions for scheduling define them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOWEST = 2**31
"""The rank of a request without a priority: behind every one that has one."""

_LARGEST = 2**63


def priority_of(parameters: Mapping[str, Any] | None) -> int:
    """Return the rank of a request: 1 is served first.

    Raises:
        InferenceError: Its `priority` is no whole number.
    """
    if not parameters or "priority" not in parameters:
        return LOWEST
    return _whole("priority", parameters["priority"], "a whole number, 1 being the first") or LOWEST


def timeout_s_of(parameters: Mapping[str, Any] | None) -> float | None:
    """Return the seconds within which a request has to be done, or `None` for any time. `timeout` is microseconds.

    Raises:
        InferenceError: Its `timeout` is no whole number.
    """
    if not parameters or "timeout" not in parameters:
        return None
    return _whole("timeout", parameters["timeout"], "microseconds as a whole number") / 1e6 or None


def _whole(name: str, value: Any, expected: str) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise InferenceError(f"parameters.{name}: expected {expected}, got {repr(value)[:64]}")
    return value
