"""Which requests get a line."""

import pytest
from mlcore import Settings
from mlcore.telemetry.access_log import AccessLog


def test_nothing_is_done_unless_lines_are_asked_for():
    assert AccessLog.of(Settings()) is None


@pytest.mark.parametrize("options", [{"access_log": 1}, {"debug": True}, {"access_log": 0.1, "debug": True}])
def test_all_of_them(options):
    access_log = AccessLog.of(Settings(**options))

    assert all(access_log.wants(is_server_error=False) for _ in range(1000))


def test_a_fraction_of_them_and_every_error_of_the_server():
    access_log = AccessLog.of(Settings(access_log=0.25))

    assert 400 < sum(access_log.wants(is_server_error=False) for _ in range(2000)) < 600
    assert all(access_log.wants(is_server_error=True) for _ in range(1000))
