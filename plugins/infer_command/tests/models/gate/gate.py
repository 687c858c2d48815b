import asyncio
import os

from mlcore import MLModel
from mlcore.types import InferenceRequest, InferenceResponse, ResponseOutput


def is_open() -> bool:
    return os.path.exists(os.environ["GATE"])


class Gate(MLModel):
    """Answers with what it is asked, but with a number below zero only once a file is there."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = payload.inputs[0]
        while x.data[0] < 0 and not is_open():
            await asyncio.sleep(0.01)
        return InferenceResponse(
            model_name=self.name,
            outputs=[ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data)],
        )
