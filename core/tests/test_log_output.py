"""Log lines to a pipe: none waits for its reader, and the first one afterwards says how many are missing."""

from __future__ import annotations

import io
import logging
import os

import pytest
from mlcore.log_output import LogOutput


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def line(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": logging.INFO, "levelname": "INFO"})


def test_lines_are_written_in_order_behind_what_others_wrote(pipe) -> None:
    reader, stream = pipe
    output = LogOutput(stream)
    stream.write("before\n")

    output.emit(line("one"))
    output.emit(line("two \ud800"))

    assert os.read(reader, 100) == b"before\none\ntwo \\ud800\n"


def test_a_pipe_that_is_full_takes_no_time_and_the_gap_is_said(pipe) -> None:
    reader, stream = pipe
    output = LogOutput(stream)
    output.setFormatter(logging.Formatter("%(message)s %(lines)s", defaults={"lines": ""}))
    for number in range(3000):
        output.emit(line(f"{number} {'x' * 100}"))
    taken = os.read(reader, 2**20)

    output.emit(line("again"))

    written = taken + os.read(reader, 2**20)
    whole = written.count(b"x" * 100 + b" \n")
    missing = int(written.partition(b"could not be written ")[2].split()[0])
    assert whole + missing == 3000
    assert written.endswith(b"\nagain \n")


def test_a_long_line_is_whole_or_set_off(pipe) -> None:
    reader, stream = pipe
    output = LogOutput(stream)
    output.emit(line("y" * 60_000))
    output.emit(line("z" * 60_000))
    taken = os.read(reader, 2**20)

    output.emit(line("again"))

    lines = (taken + os.read(reader, 2**20)).decode().split("\n")
    assert lines[0] == "y" * 60_000
    assert set(lines[1]) == {"z"}
    assert lines[-2:] == ["again", ""]


def test_a_full_disk_is_no_error_of_whoever_logs() -> None:
    with open("/dev/full", "w") as stream:
        output = LogOutput(stream)
        output.emit(line("lost"))
        assert output._left_out == 1


def test_a_stream_without_a_descriptor_is_written_to_as_ever() -> None:
    stream = io.StringIO()

    LogOutput(stream).emit(line("text"))

    assert stream.getvalue() == "text\n"
