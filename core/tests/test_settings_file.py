"""A settings file, and everything that may be wrong with it before its values are looked at."""

import os

import pytest
from mlcore.errors import SettingsError
from mlcore.settings_file import read_json


def problem(file):
    with pytest.raises(SettingsError) as raised:
        read_json(file, "the file")
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1: not valid JSON: Expecting value"),
        (b"{", "line 1, column 2: not valid JSON: Expecting property name enclosed in double quotes"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6: not valid JSON: Expecting ':' delimiter"),
        (b"{} {}", "line 1, column 4: not valid JSON: Extra data"),
        (b"[]", "line 1, column 1: expected a JSON object, got an array"),
        (b'"text"', 'line 1, column 1: expected a JSON object, got "text"'),
        (b"null", "line 1, column 1: expected a JSON object, got null"),
        (b"\xef\xbb\xbf{}", "line 1, column 1: begins with a byte order mark; save it as UTF-8 without one"),
        (b'{\n"a": "\xff"}', "line 2: not UTF-8 at byte 8"),
        (b'{"a": NaN}', "NaN is not JSON; write a number"),
        (b'{"a": -Infinity}', "-Infinity is not JSON; write a number"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": 1, "a": 2}', "line 1, column 10: 'a' stands there twice; keep one of them"),
        (
            b'{"a": [{"b": 1}, {"b": 2}],\n "b": "a:{b",\n  "c": {"d": [1], "a\\u0062": 1, "ab": {}}}',
            "line 3, column 33: 'ab' stands there twice; keep one of them",
        ),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, content, message):
    file = tmp_path / "settings.json"
    file.write_bytes(content)

    assert problem(file).startswith(f"the file: {message}")


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    file = tmp_path / "settings.json"
    with file.open("wb") as opened:
        opened.truncate(100 * 2**20)

    assert problem(file) == "the file: larger than 1048576 bytes, which no settings file needs to be"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "settings.json")

    assert problem(tmp_path / "settings.json") == "the file: is not a file"


def test_a_file_that_is_not_there_is_said_not_to_be(tmp_path):
    assert problem(tmp_path / "settings.json") == "the file: there is no such file"


def test_a_link_in_a_circle_cannot_be_read(tmp_path):
    file = tmp_path / "settings.json"
    file.symlink_to(file)

    assert problem(file) == "the file: there is no such file"


def test_a_name_too_long_for_the_disk_cannot_be_read(tmp_path):
    assert problem(tmp_path / ("x" * 300)).startswith("the file: ")


def test_a_good_file_is_read(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"a": {"b": [1, "é"]}}', encoding="utf-8")

    assert read_json(file, "the file") == {"a": {"b": [1, "é"]}}
