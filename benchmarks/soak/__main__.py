"""Soak: what a server has to bear for long, in a short form for every change and a long one for releases.

`python benchmarks/soak` takes a minute or two, `python benchmarks/soak --long` half an hour. The table has the bar
beside each figure. What must hold on any machine is exact, and the exit code is 1 if it does not; times and sizes are
for quiet machines, and said to be missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from scenarios import SCENARIOS
from server import Served, standard_server
from table import Line, show


def main() -> int:
    """Run the scenarios and print the table."""
    names = [scenario.run.__name__ for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="the short form, as without an option")
    form.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--only", choices=names, metavar="NAME", help="one scenario: " + ", ".join(names))
    given = parser.parse_args()
    lines: list[Line] = []
    with contextlib.ExitStack() as kept:
        common: Served | None = None
        for name, scenario in zip(names, SCENARIOS, strict=True):
            if given.only not in (None, name):
                continue
            sys.stderr.write(f"{name}\n")
            options = scenario.long if given.long else scenario.short
            if not scenario.has_server:
                lines += asyncio.run(scenario.run(**options))
            elif given.long:  # each one's growth by itself
                with standard_server() as server:
                    lines += asyncio.run(scenario.run(server, **options))
            else:
                common = common or kept.enter_context(standard_server())
                lines += asyncio.run(scenario.run(common, **options))
    print(show(lines))
    return int(any(line.is_exact and not line.holds for line in lines))


if __name__ == "__main__":
    sys.exit(main())
