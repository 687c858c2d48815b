"""Python's warnings, caught: nothing that a model says while it is loaded is printed or lost."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# catch_warnings swaps state of the whole process: two models loading at once would restore each other's.
_turn = threading.Lock()


@contextmanager
def caught_warnings(action: str, category: type[Warning] = Warning) -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of this context, which only one thread at a time is in.

    Args:
        action: What the warnings filter does with those of the category: `always` collects, `ignore` drops.
        category: The warnings that `action` is about; others stay under the filters of the process.
    """
    with _turn, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action, category)  # type: ignore[arg-type]  # typed as a literal, given as text
        yield caught
