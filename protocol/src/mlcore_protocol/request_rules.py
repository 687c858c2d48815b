"""What every request has to keep to, whatever wire format it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore_protocol.datatypes import DATATYPES
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.messages import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlcore_protocol.datatypes import Datatype
    from mlcore_protocol.limits import Limits

# What the client says here is replaced: these are the transport's to fill.
_RESERVED = ("headers",)

_SCALARS = (str, bool, int, float)

# What these say decides the form of the response: a word instead of a boolean would be taken for yes.
_FLAGS = ("binary_data", "binary_data_output")


class RequestRules:
    """The checks of what a request says.

    Args:
        limits: What a request may hold.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def check_id(self, request_id: str) -> None:
        """Refuse an id that is long or would spoil a log."""
        if len(request_id) > self.limits.max_id_length or not request_id.isprintable():
            raise InferenceError(
                f"id: expected at most {self.limits.max_id_length} printable characters, got {_shown(request_id)}"
            )

    def check_inputs(self, count: int) -> None:
        """Refuse no tensors, and too many."""
        if not 0 < count <= self.limits.max_tensors:
            raise InferenceError(f"inputs: expected 1 to {self.limits.max_tensors} tensors, got {count}")

    def check_outputs(self, count: int) -> None:
        """Refuse too many outputs."""
        if count > self.limits.max_tensors:
            raise InferenceError(f"outputs: expected at most {self.limits.max_tensors}, got {count}")

    def check_distinct(self, tensors: Sequence[Any], field: str) -> None:
        """Refuse two tensors of one name."""
        if len(tensors) > 1 and len({tensor.name for tensor in tensors}) != len(tensors):
            seen: set[str] = set()
            twice = next(each.name for each in tensors if each.name in seen or seen.add(each.name))  # type: ignore[func-returns-value]
            raise InferenceError(f"{field}: two of them have the same name, {_shown(twice)}")

    def check_name(self, name: str, field: str) -> None:
        """Refuse a tensor's name that is empty, long or cut off by a NUL in C code."""
        if not 0 < len(name) <= self.limits.max_name_length or "\0" in name:
            raise InferenceError(
                f"{field}.name: expected 1 to {self.limits.max_name_length} characters without NUL, got {_shown(name)}"
            )

    def datatype(self, name: str, field: str) -> Datatype:
        """Return the datatype of this name."""
        datatype = DATATYPES.get(name)
        if datatype is None:
            raise InferenceError(f"{field}.datatype: expected one of {', '.join(DATATYPES)}, got {name[:64]!r}")
        return datatype

    def count(self, shape: list[int], field: str) -> int:
        """Return the element count of `shape`, in Python's integers, which do not wrap around."""
        limits = self.limits
        if len(shape) > limits.max_dimensions:
            raise InferenceError(
                f"{field}.shape: expected at most {limits.max_dimensions} dimensions, got {len(shape)}"
            )
        count = 1
        largest = 1  # an empty tensor has to have dimensions of a sane size, too
        for size in shape:
            if size < 0:
                raise InferenceError(f"{field}.shape: expected dimensions of 0 and more, got {str(size)[:64]}")
            count *= size
            largest *= size or 1
        if largest > limits.max_elements:
            raise InferenceError(
                f"{field}.shape: the element count of {str(shape)[:64]} is over the limit, {limits.max_elements}"
            )
        return count

    def parameters(self, given: Mapping[str, Any], field: str) -> Parameters:
        """Return the parameters that say something, of a tensor, or of the request where `field` is empty."""
        where = f"{field}.parameters" if field else "parameters"
        if len(given) > self.limits.max_parameters:
            raise InferenceError(f"{where}: expected at most {self.limits.max_parameters} parameters, got {len(given)}")
        kept = Parameters()
        for name, value in given.items():
            if value is None or name in _RESERVED:
                continue
            if not isinstance(value, _SCALARS):
                raise InferenceError(
                    f"{where}.{name[:64]}: expected a string, a number or a boolean, got "
                    f"{'an object' if isinstance(value, dict) else 'an array'}"
                )
            if name in _FLAGS and type(value) is not bool:
                raise InferenceError(f"{where}.{name}: expected true or false, got {repr(value)[:64]}")
            kept[name] = value
        return kept


def _shown(text: str) -> str:
    """Return the beginning of a text as it may stand in an error or a log, and the length of a long one."""
    return ascii(text) if len(text) <= 64 else f"{text[:32]!a}... of {len(text)} characters"
