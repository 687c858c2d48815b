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


def show(lines: list[Line]) -> str:
    """Return the table as text."""
    rows = [("scenario", "measured", "bar", "")]
    rows += [(each.scenario, each.figure, each.bar, _verdict(each)) for each in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _verdict(line: Line) -> str:
    if line.holds:
        return "holds"
    return "FAILS" if line.is_exact else "missed"
