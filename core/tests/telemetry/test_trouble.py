"""What OpenTelemetry logs of its own troubles."""

import logging

import pytest
from mlcore.telemetry import trouble


@pytest.fixture
def tamed():
    loggers = [logging.getLogger(name) for name in ("opentelemetry", "urllib3")]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    trouble.tame_opentelemetry()
    yield logging.getLogger("opentelemetry.exporter.otlp")
    for logger, (handlers, propagates) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagates


def ours(caplog):
    """Return the lines that whoever reads the log sees; pytest also sees those that are kept from him."""
    return [record for record in caplog.records if record.name == "mlcore.telemetry"]


def test_many_lines_are_one(tamed, caplog):
    for number in range(1000):
        tamed.error("Failed to export\nbatch %d", number)

    (record,) = ours(caplog)
    assert record.levelname == "WARNING"
    assert record.reason == "Failed to export batch 0"


def test_after_a_minute_there_is_another_that_says_how_many_were_left_out(tamed, caplog, monkeypatch):
    tamed.error("a")
    tamed.error("b")
    tamed.error("c")
    monkeypatch.setattr(trouble.time, "monotonic", lambda: 1e9)
    tamed.error("d")

    assert [(record.reason, record.left_out) for record in ours(caplog)] == [("a", None), ("d", 2)]


def test_what_is_no_trouble_is_no_line(tamed, caplog):
    tamed.info("exported")

    assert not ours(caplog)
