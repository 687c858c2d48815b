"""The targets of fuzzing in the ordinary suite: over the kept corpus, over changes of it, and briefly under atheris."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .targets import TARGETS

HERE = Path(__file__).parent
CORPUS = {target: sorted((HERE / "corpus" / target).iterdir()) for target in TARGETS}
KEPT = [(target, path) for target, paths in CORPUS.items() for path in paths]


@pytest.mark.parametrize(("target", "path"), KEPT, ids=[f"{target}-{path.name}" for target, path in KEPT])
def test_the_corpus_holds(target, path) -> None:
    TARGETS[target](path.read_bytes())


@st.composite
def changed(draw, paths):
    """Return one of the corpus with a few of its bytes cut, replaced, doubled or taken from another."""
    data = bytearray(draw(st.sampled_from(paths)).read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        part = draw(
            st.binary(max_size=6)
            | st.just(bytes(data[start:end]) * 2)
            | st.sampled_from([b"[", b"]", b"{", b'"', b",", b"1e9", b"null", b"-", b"\\u0000", b"\xff", b"\x80", b" "])
        )
        data[start:end] = part
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS)
def test_changes_of_the_corpus_hold(target) -> None:
    @settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(changed(CORPUS[target]) | st.binary(max_size=64))
    def holds(data) -> None:
        TARGETS[target](data)

    holds()


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
@pytest.mark.parametrize("target", TARGETS)
def test_some_thousand_inputs_that_atheris_thinks_of_hold(target, tmp_path) -> None:
    options = ["-runs=5000", "-seed=1", "-max_len=1024", f"-artifact_prefix={tmp_path}/"]
    found = tmp_path / "found"
    found.mkdir()

    done = subprocess.run(  # our own program
        [sys.executable, HERE / "run.py", target, *options, found, HERE / "corpus" / target],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )

    assert done.returncode == 0, done.stderr[-4000:]
