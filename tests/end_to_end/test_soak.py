"""The short form of the soak: what must hold on any machine holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak"


def test_nothing_is_lost_wrong_or_left_over_in_the_short_soak() -> None:
    done = subprocess.run([sys.executable, SOAK, "--short"], capture_output=True, text=True, timeout=900, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
