from typing import List

from mlserver import MLModel
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse


class WithHandlers(MLModel):
    """Answers under paths of its own, besides infer."""

    @custom_handler(rest_path="/my-custom-endpoint")
    async def total(self, payload: List[float]) -> float:
        return sum(payload)

    @custom_handler(rest_path="/who-is-it", rest_method="GET")
    async def who(self) -> str:
        return self.name

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        return InferenceResponse(model_name=self.name, outputs=[])
