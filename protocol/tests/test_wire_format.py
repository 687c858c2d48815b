"""Tests of what a wire format is."""

import pytest
from mlcore_protocol import Encoded, V2Format, WireFormat


def test_a_wire_format_has_to_read_and_to_write():
    with pytest.raises(TypeError, match="abstract"):
        WireFormat()  # type: ignore[abstract]


def test_the_v2_format_is_a_wire_format():
    assert isinstance(V2Format(), WireFormat)


def test_an_encoded_message_has_no_head_unless_told_so():
    assert Encoded("application/json", [b"{}"]).head_length is None
