"""A model in a folder that says one text, for tests that change the folder while it is served."""

import json
from pathlib import Path
from typing import Any

SETTINGS = "model-settings.json"

CODE = """
import asyncio

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse


class MyModel(MLModel):
    async def load(self):
        file = self.settings.folder / "text"
        self.text = {text!r}.format(text=file.read_text() if file.exists() else "")
        {load}

    async def predict(self, payload):
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", [self.text])])
"""


def say(folder: Path, text: str, load: str = "pass", **settings: Any) -> None:
    """Write a model that says a text, in which `{text}` is what the file `text` of its folder held at the load."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_model.py").write_text(CODE.format(text=text, load=load))
    (folder / SETTINGS).write_text(json.dumps({"implementation": "my_model.MyModel", **settings}))
