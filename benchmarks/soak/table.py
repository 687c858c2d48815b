"""The table of a run: what was measured, beside what it has to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Line:
    """One line.

    Attributes:
        scenario: What was done to the server.
        figure: What was measured.
        bar: What it has to be.
        holds: Whether it is that.
        is_exact: Whether the bar holds on any machine, however busy: nothing lost, nothing wrong, nothing left over.
            The others are times and sizes, which need a quiet machine.
    """

    scenario: str
    figure: str
    bar: str
    holds: bool
    is_exact: bool = True


MIB = 2**20


def descriptors_left(left: int) -> Line:
    """Return the line that no descriptor may be left open."""
    return Line("", f"{left} descriptors more", "0", left == 0)


def memory_grown(grown: int, most_mib: int = 20) -> Line:
    """Return the line of how much memory may have grown."""
    return Line("", f"{grown / MIB:.1f} MiB more", f"< {most_mib} MiB", grown < most_mib * MIB, is_exact=False)


def took(what: str, seconds: float, most_s: float) -> Line:
    """Return the line of how long something may take."""
    figure, bar = (f"{1000 * each:.0f} ms" if most_s < 1 else f"{each:.1f} s" for each in (seconds, most_s))
    return Line("", f"{what} {figure}", f"<= {bar}", seconds <= most_s, is_exact=False)


def show(lines: list[Line]) -> str:
    """Return the table as text."""
    rows = [("scenario", "measured", "bar", "")]
    rows += [(each.scenario, each.figure, each.bar, _verdict(each)) for each in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _verdict(line: Line) -> str:
    if line.holds:
        return "pass"
    return "FAIL" if line.is_exact else "missed"
