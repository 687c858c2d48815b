"""A fixture for tests of what is shipped for tests: pytest in a process of its own."""

import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def outcomes(tmp_path):
    """Return a function that runs pytest on the source of a test module, and returns outcomes and output."""

    def outcomes(source, only="test", **env):
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "test_of_a_user.py").write_text(source)
        (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", only, "-W", "error"],
            cwd=folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        summary = done.stdout.splitlines()[-1] if done.stdout else done.stderr
        counts = {
            word.rstrip("s"): int(count)
            for count, word in re.findall(r"(\d+) (passed|failed|xfailed|errors?)", summary)
        }
        return counts, done.stdout

    return outcomes
