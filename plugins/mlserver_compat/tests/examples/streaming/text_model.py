import asyncio
from typing import AsyncIterator, List

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class TextModel(MLModel):
    """Answers the words of a text: all of them at once, or one after another."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        text = self._text(payload)
        return self._answer(self.preprocess(text))

    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncIterator[InferenceResponse]:
        payload = [_ async for _ in payloads][0]
        for word in self.preprocess(self._text(payload)):
            await asyncio.sleep(0)
            yield self._answer([word])

    def preprocess(self, text: str) -> List[str]:
        return text.split(" ")

    def _text(self, payload: InferenceRequest) -> str:
        return StringCodec.decode_input(payload.inputs[0])[0]

    def _answer(self, words: List[str]) -> InferenceResponse:
        return InferenceResponse(
            model_name=self._settings.name,
            outputs=[StringCodec.encode_output(name="output", payload=words, use_bytes=True)],
        )
