"""`MLModel`, as models written for MLServer subclass it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore import MLModel as _MLModel

from mlserver.codecs.registered import WithRegistered
from mlserver.errors import MLServerError

if TYPE_CHECKING:
    from mlcore.codecs import CodecRegistry
    from mlcore_protocol import InferenceRequest, InferenceResponse, ModelMetadata

__all__ = ["MLModel"]


class MLModel(_MLModel):
    """A model whose methods are coroutines, so that `await super().load()` works.

    It knows the codecs that were registered in this process up to now, besides those of the server.
    """

    async def load(self) -> bool:
        """Read the model into memory, and return whether it is ready."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        raise MLServerError(f"the model '{self.name}' has no predict method", 500)

    async def unload(self) -> bool:
        """Let go of what `load` took."""
        return True

    async def metadata(self) -> ModelMetadata:
        """Return what is known of the model."""
        known: ModelMetadata = super().metadata()
        return known

    @property
    def codecs(self) -> CodecRegistry:
        """The codecs that the model finds."""
        return self._codecs

    @codecs.setter
    def codecs(self, codecs: CodecRegistry) -> None:
        self._codecs = WithRegistered(codecs)
