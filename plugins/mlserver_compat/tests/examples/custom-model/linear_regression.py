import json
from pathlib import Path

import numpy as np

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.logging import logger
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class LinearRegression(MLModel):
    """Weights from a JSON file, and a prediction with its spread."""

    async def load(self) -> bool:
        uri = await get_model_uri(self._settings, wellknown_filenames=["weights.json"])
        self._weights = json.loads(Path(uri).read_text())
        logger.info("loaded %d weights", len(self._weights["coefficients"]))
        return await super().load()

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        by_name = {tensor.name: self.decode(tensor, default_codec=NumpyCodec) for tensor in payload.inputs}
        if set(by_name) != {"marriage", "age"}:
            raise InferenceError("expected the inputs 'marriage' and 'age'")
        columns = np.column_stack([np.ravel(by_name["marriage"]), np.ravel(by_name["age"])])
        predicted = columns @ np.array(self._weights["coefficients"]) + self._weights["intercept"]
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output("rate", predicted)],
        )

    async def unload(self) -> bool:
        self._weights = None
        return await super().unload()
