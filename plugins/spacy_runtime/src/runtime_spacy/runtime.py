"""`SpacyRuntime`: a spaCy pipeline as a model, without any code of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.codecs import StringCodec
from mlcore.errors import InputNotFoundError, UnavailableError
from mlcore.model import MLModel
from mlcore.types import InferenceResponse, MetadataTensor, ModelMetadata, Parameters

from runtime_spacy.options import read_options
from runtime_spacy.texts import OTHER, TEXT, TextReader

if TYPE_CHECKING:
    from mlcore.types import InferenceRequest, RequestInput

    from runtime_spacy.pipeline import Pipeline


class SpacyRuntime(MLModel):
    """Serves the spaCy pipeline that `parameters.uri` names.

    The settings in `parameters.extra` are those of `runtime_spacy.options.Options`, the outputs those of
    `runtime_spacy.outputs`.
    """

    _pipeline: Pipeline | None = None

    def load(self) -> bool:
        """Load the pipeline, find out which outputs it can give, and try them.

        Raises:
            ModelLoadError: A setting is wrong, there is no such pipeline, or it does not work.
        """
        options = read_options(self.settings.parameters.extra)
        # spaCy is imported here: a second that only a process with such a model should pay.
        from runtime_spacy.pipeline import Pipeline
        from runtime_spacy.source import load_pipeline, logged_warnings, versions_of

        with logged_warnings(self.name):
            nlp = load_pipeline(self.settings, options)
            pipeline = Pipeline(nlp, options)
        self._versions = versions_of(nlp)
        self._reader = TextReader(self._decoded, pipeline.max_characters, pipeline.compares)
        self.inputs = _declared_inputs(pipeline.compares)
        self.outputs = pipeline.declared()
        self._pipeline = pipeline
        return True

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer with the outputs that are asked for, or with the default ones.

        Shapes:
            inputs["text"], inputs["other"]: (N) or (N, 1)
            outputs: (N, 1), and (N, D) of the output "vector"

        Raises:
            InferenceError: The inputs are wrong, or the pipeline cannot give an output.
        """
        pipeline = self._pipeline
        if pipeline is None:
            raise UnavailableError(f"the model '{self.name}' is not loaded")
        texts, others = self._reader.read(payload)
        names = pipeline.wanted((output.name for output in payload.outputs or ()), others is not None)
        comparing = pipeline.comparing(names)
        if comparing and others is None:
            raise InputNotFoundError(
                f"inputs: '{OTHER}' is missing; the output '{comparing[0]}' compares it with '{TEXT}', text by text"
            )
        outputs = pipeline.outputs(texts, others, names)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)

    def unload(self) -> bool:
        """Let the pipeline go."""
        self._pipeline = None
        return True

    def metadata(self) -> ModelMetadata:
        """Return the inputs and outputs of the pipeline, and the versions it was made with."""
        return ModelMetadata(
            name=self.name,
            versions=list(self.settings.versions) or self._versions,
            platform=self.settings.platform or "spacy",
            inputs=self.inputs,
            outputs=self.outputs,
        )

    def _decoded(self, tensor: RequestInput) -> object:
        return self.decode(tensor, StringCodec)


def _declared_inputs(compares: bool) -> list[MetadataTensor]:
    parameters = {"content_type": StringCodec.ContentType}
    inputs = [MetadataTensor(name=TEXT, datatype="BYTES", shape=[-1, 1], parameters=Parameters(parameters))]
    if compares:
        optional = Parameters(parameters, optional=True)
        inputs.append(MetadataTensor(name=OTHER, datatype="BYTES", shape=[-1, 1], parameters=optional))
    return inputs
