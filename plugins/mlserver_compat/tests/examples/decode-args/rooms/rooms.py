import pandas as pd

from mlserver import MLModel
from mlserver.codecs import PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Rooms(MLModel):
    """A table in, a table out."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        table: pd.DataFrame = self.decode_request(payload, default_codec=PandasCodec)
        return PandasCodec.encode_response(self.name, table.assign(price=table["rooms"] * 1000), self.version)
