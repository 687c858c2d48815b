"""Which requests get a line."""

import pytest
from mlcore import Settings
from mlcore.telemetry.access_log import AccessLog


def test_unless_lines_are_asked_for_some_errors_of_the_server_get_them(caplog):
    access_log = AccessLog.of(Settings())

    assert not any(access_log.wants(is_server_error=False) for _ in range(1000))
    errors = [access_log.wants(is_server_error=True) for _ in range(1000)]
    assert all(errors[:10])
    assert sum(errors) < 500  # ten a second, however long this takes
    with caplog.at_level("WARNING", logger="mlcore"):
        access_log.write("GET", "/", 503, since=0, request_bytes=0, response_bytes=0, peer=None, is_server_error=True)
    (line,) = caplog.records
    assert line.errors_left_out == 1000 - sum(errors)


@pytest.mark.parametrize("options", [{"access_log": 1}, {"debug": True}, {"access_log": 0.1, "debug": True}])
def test_all_of_them(options):
    access_log = AccessLog.of(Settings(**options))

    assert all(access_log.wants(is_server_error=False) for _ in range(1000))


def test_a_fraction_of_them_and_every_error_of_the_server():
    access_log = AccessLog.of(Settings(access_log=0.25))

    assert 400 < sum(access_log.wants(is_server_error=False) for _ in range(2000)) < 600
    assert all(access_log.wants(is_server_error=True) for _ in range(1000))
