"""What may be committed of a partition."""

from __future__ import annotations

import random  # noqa: TC003  # hypothesis reads the hints

from hypothesis import given, settings
from hypothesis import strategies as st
from transport_kafka.back_off import BackOff
from transport_kafka.progress import Progress


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 1000), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_position_is_never_behind_which_a_message_has_no_answer(offsets: set[int], order: random.Random) -> None:
    """Offsets may have gaps: compaction and transactions make them."""
    progress = Progress()
    for offset in sorted(offsets):
        progress.begin(offset)
    left = set(offsets)

    for offset in order.sample(sorted(offsets), len(offsets)):
        before = progress.position
        has_moved = progress.end(offset)
        left.remove(offset)

        assert has_moved == (progress.position != before)
        assert progress.position is None or all(offset >= progress.position for offset in left)
        assert progress.lowest == min(left, default=None)
        assert progress.ahead == len([known for known in offsets if not left or known >= min(left)]) * bool(left)

    assert progress.position == max(offsets) + 1


def test_waits_grow_up_to_a_limit_and_begin_anew() -> None:
    back_off = BackOff()

    waits = [back_off.next_s() for _ in range(12)]
    back_off.reset()

    assert all(before < after for before, after in zip(waits[::2], waits[2:6:2], strict=False))
    assert max(waits) <= 15 * 1.25
    assert back_off.next_s() < 0.3
    assert 4 <= back_off.next_s(at_least_s=6) <= 8
    assert back_off.next_s(at_least_s=1e9) <= 15 * 1.25
