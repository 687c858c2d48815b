"""Log lines: of a user's set-up as of the program's, with the request that they belong to."""

import json
import logging

import pytest
from mlcore import Settings
from mlcore.logs import RequestContext, get_logger, request_context, set_up_logging

log = get_logger("mlcore.test")


@pytest.fixture
def lines(capsys):
    """Return a function that gives what a line looks like under some settings."""
    root, ours = logging.getLogger(), logging.getLogger("mlcore")
    before = root.handlers[:], root.level, ours.level

    def lines(write, **settings):
        set_up_logging(Settings(**settings))
        write()
        return capsys.readouterr().err.splitlines()

    yield lines
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    logging.captureWarnings(False)
    ours.setLevel(our_level)


def test_a_line_says_when_how_grave_and_what(lines):
    (line,) = lines(lambda: log.warning("too slow", took_s=1.5))

    assert line[:4].isdigit()
    assert "warning" in line
    assert "too slow" in line
    assert "took_s=1.5" in line


def test_a_line_may_be_json(lines):
    (line,) = lines(lambda: log.warning("too slow", took_s=1.5), use_structured_logging=True)

    written = json.loads(line)
    assert (written["event"], written["level"], written["took_s"]) == ("too slow", "warning", 1.5)
    assert written["logger"] == "mlcore.test"
    assert written["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("settings", "count"), [({}, 2), ({"log_level": "WARNING"}, 1), ({"log_level": "ERROR"}, 0), ({"debug": True}, 3)]
)
def test_the_level_is_a_setting(lines, settings, count):
    def write():
        log.debug("a")
        log.info("b")
        log.warning("c")

    assert len(lines(write, **settings)) == count


def test_other_libraries_are_heard_from_warnings_on(lines):
    def write():
        logging.getLogger("another").info("chatter")
        logging.getLogger("another").warning("listen")

    (line,) = lines(write)
    assert "listen" in line


@pytest.mark.parametrize("is_json", [False, True])
def test_a_traceback_shows_no_local_variables(lines, is_json):
    def write():
        secret = "local " + "secret"
        try:
            int(secret[:0] or "x")
        except ValueError:
            log.exception("failed")

    text = "\n".join(lines(write, use_structured_logging=is_json))

    assert "ValueError: invalid literal" in text
    assert "local secret" not in text


def test_a_line_of_a_request_names_model_version_and_id(lines):
    def write():
        request_context.set(RequestContext("m", "v1", "r-1"))
        log.warning("a")
        log.warning("b", model="other")
        request_context.set(RequestContext("m", None, None))
        log.warning("c")
        request_context.set(None)
        log.warning("d")

    first, second, third, fourth = (json.loads(line) for line in lines(write, use_structured_logging=True))

    assert (first["model"], first["version"], first["request_id"]) == ("m", "v1", "r-1")
    assert second["model"] == "other"
    assert third["model"] == "m"
    assert not {"version", "request_id"} & third.keys()
    assert "model" not in fourth


def test_without_a_set_up_lines_are_records_like_any_other(caplog):
    log.warning("too slow", took_s=1.5)

    assert (caplog.records[0].message, caplog.records[0].took_s) == ("too slow", 1.5)


def test_a_line_of_any_library_names_the_request_and_the_span_that_it_is_written_for(lines):
    from opentelemetry import trace

    def write():
        request_context.set(RequestContext("m", "v1", "r-1"))
        span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, False, trace.TraceFlags(1)))
        with trace.use_span(span):
            logging.getLogger("another").warning("a")
        request_context.set(None)
        logging.getLogger("another").warning("b")

    first, second = (json.loads(line) for line in lines(write, use_structured_logging=True))

    assert (first["model"], first["version"], first["request_id"]) == ("m", "v1", "r-1")
    assert (first["trace_id"], first["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert not {"model", "trace_id"} & second.keys()


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("text", ["a\r\nb", "\x1b[31mred", "\u2028", "\x00", "\ud800"])
def test_what_a_client_sent_ends_no_line_and_says_nothing_to_a_terminal(lines, text, is_json):
    (line,) = lines(lambda: log.warning("refused", value=text), use_structured_logging=is_json)

    assert line.isprintable()
    if is_json:
        assert json.loads(line)["value"] == text


def test_what_a_library_writes_in_several_lines_cannot_be_taken_for_other_lines(lines):
    first, second = lines(lambda: logging.getLogger("another").warning("a\n2026-01-01 [info] forged\x1b"))

    assert "a" in first
    assert second == "    2026-01-01 [info] forged\\x1b"


def test_json_stays_one_line_with_a_traceback(lines):
    def write():
        try:
            int("x")
        except ValueError:
            log.exception("failed")

    (line,) = lines(write, use_structured_logging=True)
    assert "ValueError" in json.loads(line)["exception"]


def test_a_traceback_of_the_console_keeps_its_lines(lines):
    def write():
        try:
            raise ValueError("\x1b[31mred")
        except ValueError:
            log.exception("failed")

    written = lines(write)
    assert any(line.startswith("Traceback") for line in written)
    assert "\x1b" not in "".join(written)


def test_warnings_of_python_are_lines_too(lines):
    import warnings

    def write():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("soon gone", DeprecationWarning, stacklevel=1)

    (line,) = lines(write, use_structured_logging=True)
    assert "soon gone" in json.loads(line)["event"]


def test_json_takes_any_value(lines):
    (line,) = lines(lambda: log.warning("odd", value=object()), use_structured_logging=True)

    assert json.loads(line)["value"].startswith("<object")
