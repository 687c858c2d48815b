"""The runtime: `weights` and `bias` from a JSON file, applied to each row."""

import json

import numpy as np
from mlcore import MLModel
from mlcore.artefacts import find_artefact
from mlcore.codecs import NumpyCodec
from mlcore.errors import InferenceError, InputNotFoundError
from mlcore.types import InferenceRequest, InferenceResponse, MetadataTensor


class LinearRuntime(MLModel):
    """Answers `y = x . weights + bias`.

    Shapes:
        inputs["x"]: (B, F), outputs["y"]: (B, 1). B rows, F features.
    """

    def load(self) -> None:
        """Read the file."""
        model = json.loads(find_artefact(self.settings, ["linear.json"]).read_text())
        self.weights = np.array(model["weights"], dtype=np.float64)
        self.bias = float(model["bias"])
        self.inputs = [MetadataTensor(name="x", datatype="FP64", shape=[-1, self.weights.size])]
        self.outputs = [MetadataTensor(name="y", datatype="FP64", shape=[-1, 1])]

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request.

        Raises:
            InputNotFoundError: There is no input `x`.
            InferenceError: Its shape does not fit the weights, or it does not hold numbers.
        """
        tensor = next((tensor for tensor in payload.inputs if tensor.name == "x"), None)
        if tensor is None:
            raise InputNotFoundError("inputs: 'x' is missing")
        x = NumpyCodec.decode_input(tensor)
        if x.ndim != 2 or x.shape[1] != self.weights.size or x.dtype.kind not in "iuf":
            raise InferenceError(f"'x': expected numbers of shape [-1, {self.weights.size}], got {tensor.shape}")
        y = x @ self.weights + self.bias
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)])
