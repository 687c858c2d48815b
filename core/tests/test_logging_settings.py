"""A user's own set-up of logging: an object, a file of JSON, a file for `fileConfig`."""

import json
import logging

import pytest
from mlcore import Settings
from mlcore.errors import SettingsError
from mlcore.logs import get_logger, set_up_logging

log = get_logger("mlcore.test")


@pytest.fixture
def written(tmp_path):
    """Return a function that logs under some settings, and returns what came to the file of the user's set-up."""
    loggers = [logging.getLogger(name) for name in (None, "mlcore", "mlserver", "own")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]

    def written(logging_settings, write=lambda: log.warning("too slow", took_s=1.5), **settings):
        set_up_logging(Settings(logging_settings=logging_settings, **settings))
        write()
        return (tmp_path / "log.txt").read_text().splitlines() if (tmp_path / "log.txt").exists() else []

    yield written
    for logger, handlers, level, propagate in before:
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
    logging.captureWarnings(False)


@pytest.fixture
def to_file(tmp_path):
    """Return a function that returns a set-up which writes some loggers to a file."""

    def to_file(*loggers, formatter=None, **members):
        return {
            "version": 1,
            "formatters": {"plain": formatter or {"format": "%(name)s %(levelname)s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(tmp_path / "log.txt"),
                    "formatter": "plain",
                    "level": "DEBUG",
                }
            },
            "loggers": {name: {"handlers": ["file"], "level": "DEBUG", "propagate": False} for name in loggers},
            **members,
        }

    return to_file


def test_an_object_says_where_lines_go(written, to_file):
    assert written(to_file("mlcore")) == ["mlcore.test WARNING too slow"]


def test_a_file_of_json_may_say_it(written, to_file, tmp_path):
    (tmp_path / "logging.json").write_text(json.dumps(to_file("mlcore")))

    assert written(str(tmp_path / "logging.json")) == ["mlcore.test WARNING too slow"]


def test_a_file_for_fileconfig_may_say_it(written, tmp_path):
    (tmp_path / "logging.ini").write_text(
        f"""
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=plain
[logger_root]
level=INFO
handlers=file
[handler_file]
class=FileHandler
args=({str(tmp_path / "log.txt")!r},)
formatter=plain
[formatter_plain]
format=%(levelname)s %(message)s
"""
    )

    assert written(str(tmp_path / "logging.ini")) == ["WARNING too slow"]


def test_what_is_said_of_mlservers_loggers_counts_for_ours(written, to_file):
    assert written(to_file("mlserver")) == ["mlcore.test WARNING too slow"]
    assert logging.getLogger("mlserver").level == logging.DEBUG


def test_but_not_if_ours_are_named_too(written, to_file):
    settings = to_file("mlserver")
    settings["loggers"]["mlcore"] = {"level": "ERROR"}

    assert written(settings) == []


def test_a_logger_that_merely_begins_like_mlservers_is_another(written, to_file):
    written(to_file("mlserver_of_mine"))

    assert logging.getLogger("mlcore").level == logging.INFO


def test_loggers_that_nothing_is_said_of_go_on(written, to_file):
    written(to_file("own"), lambda: None)

    assert not logging.getLogger("mlcore.test").disabled
    assert logging.getLogger("mlcore").isEnabledFor(logging.INFO)


def test_lines_may_be_written_as_mlcore_writes_them(written, to_file):
    formatter = {"()": "mlcore.logs.line_formatter", "is_structured": True}

    (line,) = written(to_file("mlcore", formatter=formatter))

    assert (json.loads(line)["event"], json.loads(line)["took_s"]) == ("too slow", 1.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("nothing.json", "logging_settings: nothing.json: there is no such file"),
        ("nothing.ini", "logging_settings: nothing.ini: there is no such file"),
        (
            {"handlers": {"x": {"class": "nothing.Here"}}},
            "logging_settings: logging cannot be set up so: Unable to con",
        ),
        ({"version": 2}, "logging_settings: logging cannot be set up so: Unsupported version: 2"),
    ],
)
def test_a_set_up_that_is_wrong_is_said_to_be(written, settings, message):
    with pytest.raises(SettingsError) as raised:
        written(settings)

    assert str(raised.value).startswith(message)
