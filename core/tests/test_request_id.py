"""The id of a request, from a header."""

import pytest
from mlcore.request_id import request_id_of


@pytest.mark.parametrize("value", [b"r-1", "r-1", b"!" * 128, b"00-4bf9/2F:x"])
def test_visible_characters_are_an_id(value):
    assert request_id_of(value) == (value if isinstance(value, str) else value.decode())


@pytest.mark.parametrize(
    "value", [None, b"", b"a b", b"a\r\nb", b"\x1b[31m", b"a\n", "\u00e9", b"\xff", b"a" * 129, b"x" * 1_000_000]
)
def test_everything_else_is_as_good_as_none(value):
    assert request_id_of(value) is None
