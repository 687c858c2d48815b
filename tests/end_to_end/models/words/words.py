import asyncio

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.errors import InferenceError
from mlcore.types import InferenceResponse


class Words(MLModel):
    """Answers with the words of a text one by one; some of them are not said, but done."""

    async def predict(self, payload):
        (text,) = self.decode(payload.inputs[0], StringCodec)
        return [await self.said(word) for word in text.split()][-1]

    async def predict_stream(self, payloads):
        async for payload in payloads:
            (text,) = self.decode(payload.inputs[0], StringCodec)
            for word in text.split():
                yield await self.said(word)

    async def said(self, word):
        if word == "boom":
            raise InferenceError("no boom")
        if word == "slow":
            await asyncio.sleep(60)
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("word", [word])])
