"""The stream of the guide, as it stands there: its model, its command, and what that prints."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.testing.process import RunningServer

GUIDE = Path(__file__).parents[2] / "docs/write-a-model.md"
CHAPTER = re.search(r"## Several answers\n(.*?)\n## ", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def words(tmp_path: Path) -> Iterator[RunningServer]:
    (tmp_path / "words.py").write_text(re.search(r"```python\n(.*?)```", CHAPTER, re.DOTALL)[1])
    (tmp_path / "model-settings.json").write_text(json.dumps({"name": "words", "implementation": "words.Words"}))
    server = start_server(tmp_path)
    yield server
    server.stop()


def test_the_guides_stream_prints_what_the_guide_says(words: RunningServer) -> None:
    shown = re.search(r"```console\n\$ (curl .*?)\n(data: .*?)```", CHAPTER, re.DOTALL)
    command = shlex.split(shown[1].replace("\\\n", " ").replace("localhost:8080", words.url))

    printed = subprocess.run([*command, "-sS"], capture_output=True, text=True, timeout=60, check=True)

    assert (printed.stdout, printed.stderr) == (shown[2] + "\n", "")
