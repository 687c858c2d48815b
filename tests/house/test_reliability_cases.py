"""Each reliability case has a test that bears its number, or stands among those that do not apply, with the reason."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUMBERS = {*(f"B{number:03}" for number in range(1, 151)), *(f"F{number:02}" for number in range(1, 46))}
NOT_APPLICABLE = json.loads((ROOT / "tests" / "reliability" / "not_applicable.json").read_text(encoding="utf-8"))


def numbers_with_a_test() -> set[str]:
    found = set()
    for place in ("protocol", "core", "plugins", "tests"):
        for file in (ROOT / place).rglob("test_*.py"):
            for numbers in re.findall(r"def test_((?:[bf]\d{2,3}_)+)", file.read_text(encoding="utf-8")):
                found.update(number.upper() for number in numbers.split("_") if number)
    return found


def test_every_case_has_a_test_or_a_reason() -> None:
    assert NUMBERS - numbers_with_a_test() - set(NOT_APPLICABLE) == set()


def test_no_case_has_both_and_none_is_unknown() -> None:
    assert not numbers_with_a_test() & set(NOT_APPLICABLE)
    assert numbers_with_a_test() | set(NOT_APPLICABLE) <= NUMBERS
    assert all(len(reason) > 20 for reason in NOT_APPLICABLE.values())
