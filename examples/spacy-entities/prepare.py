"""Installs the spaCy pipeline that the model loads, where it is not there yet."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "fetch_spacy_model.py"), run_name="__main__")
