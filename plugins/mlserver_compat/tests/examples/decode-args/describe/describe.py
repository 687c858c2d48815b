from typing import List, Optional, Tuple

import numpy as np

from mlserver import MLModel
from mlserver.codecs import decode_args


class Describe(MLModel):
    """Typed arguments instead of a request."""

    @decode_args
    async def predict(self, x: np.ndarray, words: Optional[List[str]]) -> Tuple[np.ndarray, List[str]]:
        return x.sum(axis=1, keepdims=True), [word.upper() for word in words or []]
