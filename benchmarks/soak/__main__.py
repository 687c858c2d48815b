"""Soak: what a server has to bear for long, in a short form for every change and a long one for releases.

`python benchmarks/soak` takes a minute or two, `python benchmarks/soak --long` half an hour. The table has the bar
beside each figure. What must hold on any machine is exact, and the exit code is 1 if it does not; times and sizes are
for quiet machines.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from scenarios import LONG, SHORT
from table import Line, show


def main() -> int:
    """Run the scenarios and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one scenario, counted from 1")
    given = parser.parse_args()
    scenarios = LONG if given.long else SHORT
    lines: list[Line] = []
    for number, scenario in enumerate(scenarios, 1):
        if given.only in (None, number):
            sys.stderr.write(f"{number} of {len(scenarios)}\n")
            lines += asyncio.run(scenario())
    print(show(lines))
    return int(any(line.is_exact and not line.holds for line in lines))


if __name__ == "__main__":
    sys.exit(main())
