"""`SklearnRuntime`: serves one fitted scikit-learn model. scikit-learn is imported when a model is loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.errors import InferenceError, InternalError
from mlcore_protocol import InferenceResponse, MetadataTensor, RequestOutput

from runtime_sklearn.artefact import read_artefact
from runtime_sklearn.fitted import Fitted
from runtime_sklearn.options import Options
from runtime_sklearn.rows import rows_of

if TYPE_CHECKING:
    from mlcore_protocol import InferenceRequest, ModelMetadata, ResponseOutput

    from runtime_sklearn.results import Array


class SklearnRuntime(MLModel):
    """A fitted scikit-learn model, or any object with its methods.

    Shapes:
        inputs: (N, F), N rows of F features; or (N, 1) for each feature, if the model was fitted on a DataFrame
        outputs: (N, 1) where the model gives one value for a row, else what it gives

    Example:
        `{"implementation": "sklearn", "parameters": {"uri": "model.joblib", "extra": {"predict_fn": "predict_proba"}}}`
    """

    _fitted: Fitted | None = None

    def load(self) -> bool:
        """Read the model, and find out what it takes and gives.

        Raises:
            ModelLoadError: There is no such file, it cannot be read, or it holds no fitted model.
        """
        options = Options.of(self.settings.parameters.extra)
        model = read_artefact(self.settings, options.trusted_types)
        self._fitted = Fitted(model, options.predict_fn)
        if not self.settings.inputs:
            self.inputs = _described_inputs(self._fitted)
        if not self.settings.outputs:
            self.outputs = _described_outputs(self._fitted)
        return True

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer with the outputs that were asked for, or with the default one.

        Raises:
            InferenceError: The request asks for what the model does not have, or the model refuses its rows.
        """
        fitted = self._fitted
        if fitted is None:
            raise InternalError(f"the model '{self.name}' is not loaded")
        asked = {output.name: output for output in payload.outputs or ()}
        fitted.check(list(asked))
        arrays = fitted.answer(rows_of(self, payload, fitted.features), list(asked) or None)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                self._encoded(array, asked.get(name) or RequestOutput(name=name)) for name, array in arrays.items()
            ],
        )

    def unload(self) -> bool:
        """Let go of the model."""
        self._fitted = None
        return True

    def metadata(self) -> ModelMetadata:
        """Return what the settings say of the model, and what it says itself where they do not.

        The parameter `classes` is the list of a classifier's classes as JSON text.
        """
        metadata: ModelMetadata = super().metadata()
        metadata.platform = metadata.platform or "sklearn"
        classes = getattr(self._fitted.model, "classes_", None) if self._fitted is not None else None
        if classes is not None:
            metadata.parameters["classes"] = json.dumps(_plain(classes), default=str)
        return metadata

    def _encoded(self, array: Array, output: RequestOutput) -> ResponseOutput:
        declared = next((tensor for tensor in self.outputs if tensor.name == output.name), None)
        given = (output.parameters and output.parameters.content_type) or (
            declared and declared.parameters and declared.parameters.content_type
        )
        codec = self.codecs.input_codec(given or None)
        payload: Any = array
        if codec is not None and not codec.can_encode(array):  # the other codecs write lists
            payload = array.reshape(-1).tolist()
            if not codec.can_encode(payload):
                raise InferenceError(
                    f"outputs: '{output.name}' holds {array.dtype}, which the content type '{given}' does not write; "
                    "leave content_type away"
                )
        return self.encode(payload, output, default_codec=NumpyCodec)


def _described_inputs(fitted: Fitted) -> list[MetadataTensor]:
    features = fitted.features
    # What took a row of floats takes floats, also where the model says nothing of its features.
    assumed = "FP64" if fitted.examples else ""
    if features.names is not None:
        return [
            MetadataTensor(name=name, datatype=column.datatype or assumed, shape=[-1, 1])
            for name, column in zip(features.names, features.columns, strict=True)
        ]
    if not features.columns:
        return []
    has_text = any(column.datatype == "BYTES" for column in features.columns)
    datatype = features.datatype or ("" if has_text else assumed)
    return [MetadataTensor(name="input-0", datatype=datatype, shape=[-1, len(features.columns)])]


def _described_outputs(fitted: Fitted) -> list[MetadataTensor]:
    described = []
    for method in sorted(fitted.examples, key=lambda name: name != fitted.default):
        for name, array in fitted.examples[method].items():
            shape, datatype, _ = NumpyCodec.write(array)
            described.append(MetadataTensor(name=name, datatype=str(datatype), shape=[-1, *shape[1:]]))
    return described


def _plain(classes: Any) -> Any:
    """Return the classes as lists, also those of several targets."""
    if isinstance(classes, list):
        return [_plain(part) for part in classes]
    return classes.tolist() if hasattr(classes, "tolist") else classes
