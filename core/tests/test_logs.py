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
