"""The codec `datetime`."""

from datetime import UTC, datetime

import pytest
from mlcore.codecs import CodecError, DatetimeCodec
from mlcore.types import RequestInput

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def tensor(data, datatype="BYTES"):
    return RequestInput(name="x", shape=[1], datatype=datatype, data=data)


@pytest.mark.parametrize("use_bytes", [True, False])
def test_datetimes_become_iso_8601_and_texts_pass(use_bytes):
    made = DatetimeCodec.encode_output("y", [NOON, "2024-01-02"], use_bytes=use_bytes)

    texts = ["2024-01-01T12:00:00+00:00", "2024-01-02"]
    assert (made.shape, str(made.datatype), made.parameters) == ([2, 1], "BYTES", {"content_type": "datetime"})
    assert made.data.tolist() == ([text.encode() for text in texts] if use_bytes else texts)
    assert DatetimeCodec.decode_output(made) == [NOON, datetime(2024, 1, 2)]  # it has no time zone


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["2024-01-01T12:00:00+00:00"], NOON),
        ([b"2024-01-01T12:00:00Z"], NOON),
        ("2024-01-01T12:00:00.000Z", NOON),
        (["20240101T120000+0000"], NOON),
    ],
)
def test_iso_8601_is_read(data, expected):
    assert DatetimeCodec.decode_input(tensor(data)) == [expected]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor(["2024-01-01", "noon"]), "'x'.data[1]: expected an ISO 8601 date and time, got 'noon'"),
        (tensor([None]), "'x'.data[0]: expected an ISO 8601 date and time, got null"),
        (tensor(["x" * 100]), f"'x'.data[0]: expected an ISO 8601 date and time, got '{'x' * 64}'"),
        (tensor([1], "INT8"), "'x': the content type 'datetime' needs the datatype BYTES, got INT8"),
    ],
)
def test_what_is_no_time_is_the_clients_error(wrong, message):
    with pytest.raises(CodecError) as raised:
        DatetimeCodec.decode_input(wrong)

    assert str(raised.value) == message


@pytest.mark.parametrize(("payload", "expected"), [([NOON, "x"], True), ([], True), (NOON, False), ([1], False)])
def test_lists_of_datetimes_and_texts_are_encoded(payload, expected):
    assert DatetimeCodec.can_encode(payload) is expected
