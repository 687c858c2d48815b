"""The inputs that a model's settings declare, and the check of requests against them, before anybody is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.datatypes import DATATYPES

from mlcore.codecs.typed_arguments import PREPARE
from mlcore.errors import InferenceError, InputNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mlcore.model import MLModel
    from mlcore.types import InferenceRequest, MetadataTensor


def input_check_of(model: MLModel) -> Callable[[InferenceRequest], None] | None:
    """Return the check of requests for a model; `None` unless its settings declare inputs and ask for the check.

    It is not on by itself, for in folders that come from MLServer what is declared was never held against anybody.
    """
    settings = model.settings
    if not settings.inputs or not settings.check_inputs:
        return None
    # Typed arguments say themselves which inputs they need.
    takes_arguments = hasattr(model.predict, PREPARE) or hasattr(model.predict_stream, PREPARE)
    return DeclaredInputs([each.to_metadata() for each in settings.inputs], not takes_arguments).check


class DeclaredInputs:
    """The declared inputs of a model.

    Args:
        declared: The inputs.
        checks_names: Whether every input that is not optional has to be there, and no other may be.
    """

    def __init__(self, declared: Sequence[MetadataTensor], checks_names: bool = True) -> None:
        self._declared = {tensor.name: tensor for tensor in declared}
        self._checks_names = checks_names
        self._required = [
            tensor.name for tensor in declared if not (tensor.parameters and tensor.parameters.get("optional"))
        ]

    def check(self, request: InferenceRequest) -> None:
        """Check a request.

        Raises:
            InputNotFoundError: An input is missing, or is not one of the model's.
            InferenceError: The datatype or the shape of one is not what is declared.
        """
        for index, tensor in enumerate(request.inputs):
            declared = self._declared.get(tensor.name)
            if declared is None:
                if self._checks_names:
                    raise InputNotFoundError(
                        f"inputs[{index}].name: '{tensor.name[:64]}' is not an input of this model; "
                        f"expected {_quoted(self._declared)}"
                    )
                continue
            if tensor.datatype != declared.datatype and declared.datatype in DATATYPES:
                raise InferenceError(
                    f"inputs[{index}].datatype: the model takes {declared.datatype} for '{tensor.name[:64]}', "
                    f"got {tensor.datatype}"
                )
            if declared.shape and not _fits(tensor.shape, declared.shape):
                raise InferenceError(
                    f"inputs[{index}].shape: the model takes {declared.shape} for '{tensor.name[:64]}', "
                    f"got {str(tensor.shape)[:64]}"
                )
        if self._checks_names and len(request.inputs) < len(self._declared):
            given = {tensor.name for tensor in request.inputs}
            for name in self._required:
                if name not in given:
                    raise InputNotFoundError(
                        f"inputs: '{name}' is missing; expected {_quoted(self._required)}, got {_quoted(given)}"
                    )


def _fits(shape: list[int], declared: list[int]) -> bool:
    """Say whether a shape is of the declared form; axes of 1 at its end are as good as none.

    Codecs of clients write N texts or numbers as `[N, 1]`, whatever is declared.
    """
    common = min(len(shape), len(declared))
    if any(size != expected and expected >= 0 for size, expected in zip(shape, declared, strict=False)):
        return False
    return all(size == 1 for size in (*shape[common:], *declared[common:]))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name[:64]}'" for name in sorted(names)[:16])
