"""Log lines on their way to a collector."""

import logging

from mlcore.telemetry.log_lines import LineHandler, LineRecords
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor


class Taking(LogRecordProcessor):
    def __init__(self):
        self.records = []

    def on_emit(self, log_record):
        self.records.append(log_record)

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=0):
        return True


def taken(write, pid=None):
    """Return the record of the SDK that comes of a line."""
    taking = Taking()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(taking)
    records = LineRecords(provider)
    logger = logging.Logger("mine")
    logger.addHandler(LineHandler(lambda line: records.emit(line, pid)))
    write(logger)
    (record,) = taking.records
    return record.log_record


def test_a_line_keeps_its_text_level_time_and_values():
    record = taken(lambda log: log.error("is %s", "late", extra={"took_s": 1.5, "count": 2**70, "kind": None}))

    assert (record.body, record.severity_text, record.severity_number.value) == ("is late", "ERROR", 17)
    assert record.timestamp > 1e18
    assert dict(record.attributes) == {"took_s": 1.5, "count": str(2**70)}
    assert record.trace_id == 0


def test_a_line_of_another_process_says_so():
    assert taken(lambda log: log.warning("x"), pid=7).attributes["process.pid"] == 7


def test_a_line_of_an_exception_has_its_traceback():
    def write(log):
        try:
            int("x")
        except ValueError:
            log.exception("failed")

    record = taken(write)
    assert record.attributes["exception.type"] == "ValueError"
    assert "Traceback" in record.attributes["exception.stacktrace"]


def test_a_line_may_hold_anything():
    record = taken(lambda log: log.critical("x" * 100_000 + "\ud800", extra={"odd": object()}))

    assert len(record.body) == 16 * 1024
    assert record.severity_text == "FATAL"
    assert record.attributes["odd"].startswith("<object")


def test_a_line_that_cannot_be_read_harms_nobody(capsys):
    logger = logging.Logger("mine")
    logger.addHandler(LineHandler(print))
    logger.warning("%d", "no number")

    assert "no number" in capsys.readouterr().err
