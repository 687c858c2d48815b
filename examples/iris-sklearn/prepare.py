"""Fits the model where its file is not there yet; `scripts/serve` runs this before it serves the folder."""

import runpy
from pathlib import Path

HERE = Path(__file__).parent

if not (HERE / "model.joblib").exists():
    runpy.run_path(str(HERE / "train.py"))
