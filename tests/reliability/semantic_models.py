"""The models that show what requests mean: declared inputs, batches, numbers that are none, versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from many import MODEL

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = '''
import time

import numpy as np
from mlcore import MLModel
from mlcore.codecs import Base64Codec, NumpyCodec
from mlcore.types import InferenceResponse, ResponseOutput


class Same(MLModel):
    """Answers with its inputs, and says how many rows it saw at once."""

    def predict(self, payload):
        time.sleep(self.settings.parameters.extra.get("pause", 0))
        outputs = [
            ResponseOutput(name=each.name, shape=each.shape, datatype=each.datatype, data=each.data)
            for each in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


class Special(MLModel):
    """Answers with the floats that are no numbers."""

    def predict(self, payload):
        numbers = np.array([np.nan, np.inf, -np.inf, 1.5], np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("special", numbers)])


class Lengths(MLModel):
    """Says how many bytes each element of base64 stands for."""

    def predict(self, payload):
        lengths = np.array([len(each) for each in self.decode(payload.inputs[0], Base64Codec)])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("lengths", lengths)])
'''

MODELS = {
    "declared": {
        "implementation": "semantic.Same",
        "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "b", "datatype": "INT64", "shape": [-1, 1], "parameters": {"optional": True}},
        ],
        "check_inputs": True,
    },
    "described": {
        "implementation": "semantic.Same",
        "inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 3]}],
    },
    "batched": {
        "implementation": "semantic.Same",
        "max_batch_size": 16,
        "max_batch_time": 0.2,
        "parameters": {"extra": {"pause": 0.005}},
    },
    "base64": {"implementation": "semantic.Lengths"},
    "special": {"implementation": "semantic.Special"},
}


def write_models(folder: Path) -> None:
    """Write the folders of the models, and that of `many`."""
    for name, settings in MODELS.items():
        _write(folder / name, name, settings, "semantic", SOURCE)
    for version in ("1", "2"):
        settings = {"implementation": "semantic.Same", "parameters": {"version": version}}
        _write(folder / "versioned" / version, "versioned", settings, "semantic", SOURCE)
    _write(folder / "many", "many", {"implementation": "many.Many"}, "many", MODEL)


def _write(place: Path, name: str, settings: dict[str, object], module: str, source: str) -> None:
    place.mkdir(parents=True)
    (place / f"{module}.py").write_text(source)
    (place / "model-settings.json").write_text(json.dumps({"name": name, **settings}))
