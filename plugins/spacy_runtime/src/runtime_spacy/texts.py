"""The texts of a request: which inputs hold them, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from mlcore.errors import InferenceError, InputNotFoundError
from mlcore.types import Datatype

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.types import InferenceRequest, RequestInput

    Decode = Callable[[RequestInput], Any]

TEXT = "text"
OTHER = "other"


class TextReader:
    """Reads the texts of requests.

    Args:
        decode: Turns an input into a Python object, by its content type.
        max_characters: The longest text that is taken.
        compares: Whether the model takes a second text to compare each with.
    """

    def __init__(self, decode: Decode, max_characters: int, compares: bool) -> None:
        self._decode = decode
        self._max_characters = max_characters
        self._names = {TEXT, OTHER} if compares else {TEXT}
        self._expected = f"'{TEXT}', and '{OTHER}' for similarity" if compares else f"'{TEXT}'"

    def read(self, request: InferenceRequest) -> tuple[list[str], list[str] | None]:
        """Return the texts, and those to compare them with where there are any.

        A single input may have any name.

        Shapes:
            inputs["text"], inputs["other"]: (N) or (N, 1)

        Raises:
            InputNotFoundError: The inputs are not those of the model.
            InferenceError: An input does not hold texts, or one of them is too long.
        """
        inputs = {tensor.name: tensor for tensor in request.inputs}
        if len(inputs) == 1 and OTHER not in inputs:
            inputs = {TEXT: request.inputs[0]}
        if TEXT not in inputs or len(inputs) < len(request.inputs) or not self._names.issuperset(inputs):
            got = ", ".join(f"'{tensor.name[:64]}'" for tensor in request.inputs[:8]) or "none"
            raise InputNotFoundError(f"inputs: expected {self._expected}; got {got}")
        texts = self._texts(inputs[TEXT])
        if OTHER not in inputs:
            return texts, None
        others = self._texts(inputs[OTHER])
        if len(others) != len(texts):
            raise InferenceError(
                f"inputs: '{OTHER}' has {len(others)} texts and '{TEXT}' has {len(texts)}; send one for each"
            )
        return texts, others

    def _texts(self, tensor: RequestInput) -> list[str]:
        name = tensor.name[:64]
        if tensor.datatype is not Datatype.BYTES:
            raise InferenceError(f"input '{name}': expected texts of datatype BYTES, got {tensor.datatype}")
        if not (len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)):
            raise InferenceError(f"input '{name}': expected the shape [N] or [N, 1], got {tensor.shape}")
        decoded = self._decode(tensor)
        elements = decoded.reshape(-1).tolist() if isinstance(decoded, np.ndarray) else decoded
        if not isinstance(elements, list):
            raise InferenceError(f"input '{name}': its content type does not give texts; use the content type 'str'")
        if len(elements) != tensor.shape[0]:
            raise InferenceError(f"input '{name}': its shape {tensor.shape} does not fit its {len(elements)} texts")
        return [self._text(element, f"'{name}'.data[{index}]") for index, element in enumerate(elements)]

    def _text(self, element: Any, field: str) -> str:
        try:
            text = element.decode() if isinstance(element, bytes) else element
            if not isinstance(text, str):
                came = "null" if text is None else f"a {type(text).__name__}"
                raise InferenceError(f"{field}: expected a text, got {came}")
            text.encode()  # spaCy keeps texts as UTF-8
        except UnicodeError:
            raise InferenceError(f"{field}: not UTF-8; send text as UTF-8") from None
        if len(text) > self._max_characters:
            raise InferenceError(
                f"{field}: {len(text)} characters are more than the {self._max_characters} that this model takes; "
                "send it in parts, or let the operator raise max_characters"
            )
        return text
