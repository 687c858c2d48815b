"""What is read and written, and what an earlier run has left: everything that can be wrong is said before it begins."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from command_infer import lines as lines_module
from command_infer.lines import Lines
from command_infer.output import Output, error_line
from mlcore.errors import SettingsError


async def read(path):
    lines = Lines.of(str(path))
    found = []
    while (line := await lines.next()) is not None:
        found.append((line.index, line.text, line.end))
    lines.close()
    return found


async def test_lines_may_end_in_any_way(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"one\n\ntwo\r\nthree")

    assert await read(path) == [(0, b"one", 4), (1, b"", 5), (2, b"two\r", 10), (3, b"three", 15)]


async def test_lines_longer_than_a_read_are_whole_and_endless_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(lines_module, "_CHUNK", 4)
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 10)
    path = tmp_path / "in"
    path.write_bytes(b"0123456789\n0123456789a\n" + b"b" * 100 + b"\nend\n")

    assert [text for _, text, _ in await read(path)] == [b"0123456789", None, None, b"end"]


async def test_a_line_that_is_too_long_is_an_error_line(infer, served, numbers, monkeypatch):
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 500)
    done = await infer([numbers(*range(200)), numbers(1)], "-u", served.rest)

    assert "is there one request on each line?" in done.lines[0]["error"]["msg"]
    assert done.lines[1]["outputs"][0]["data"] == [2]


async def test_an_output_is_emptied_unless_it_is_gone_on_with(infer, served, numbers):
    await infer([numbers(index) for index in range(3)], "-u", served.rest)

    assert len((await infer([numbers(1)], "-u", served.rest)).lines) == 1


async def test_going_on_with_what_is_whole_asks_nothing(infer, served, numbers):
    before = await infer([numbers(1), "{"], "-u", served.rest)
    after = await infer([numbers(1), "{"], "-u", served.rest, "--resume")

    assert after.lines == before.lines
    assert after.code == 1  # of an earlier run, but there is an error
    assert after.said.startswith("0 lines done, 0 of them failed")
    assert "; 2 done earlier, 1 of them failed" in after.said


async def test_what_was_written_as_it_came_is_gone_on_with_where_it_has_gaps(infer, served, numbers, tmp_path):
    lines = [numbers(index) for index in range(6)]
    (tmp_path / "out.jsonl").write_bytes(b"".join(error_line(index, "internal", "no") + b"\n" for index in (3, 0, 5)))
    with pytest.raises(SettingsError, match="add --as-completed"):
        await infer(lines, "-u", served.rest, "--resume")
    done = await infer(lines, "-u", served.rest, "--resume", "--as-completed")

    assert [line["parameters"]["batch_index"] for line in done.lines][:3] == [3, 0, 5]
    assert sorted(line["parameters"]["batch_index"] for line in done.lines[3:]) == [1, 2, 4]


async def test_an_input_that_is_shorter_than_what_was_answered_is_another_one(infer, served, numbers):
    await infer([numbers(index) for index in range(4)], "-u", served.rest)
    done = await infer([numbers(1)], "-u", served.rest, "--resume")

    assert done.code == 2
    assert "the output has answers to 4 lines, the input has 1" in done.said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"something else\n", "after byte 0: JSON is malformed"),
        (b'{"parameters":{}}\n', "missing required field `batch_index`"),
        (2 * b'{"parameters":{"batch_index":0}}\n', "after byte 33: the line number 0 is negative or stands twice"),
        (b"\xff\n", "after byte 0"),
    ],
)
def test_a_file_that_another_program_wrote_is_not_gone_on_with(tmp_path, content, message):
    path = tmp_path / "out"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        Output.of(str(path), resume=True)

    assert path.read_bytes() == content


def test_a_file_without_a_whole_line_is_begun_anew(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b'{"parameters":{"batch_index":0}}')
    output = Output.of(str(path), resume=True)
    output.close()

    assert (len(output.done), path.read_bytes()) == (0, b"")


def test_two_runs_do_not_write_one_file(tmp_path):
    path = str(tmp_path / "out")
    first = Output.of(path, resume=False)
    with pytest.raises(SettingsError, match="another run is writing"):
        Output.of(path, resume=True)
    first.close()
    Output.of(path, resume=True).close()


async def test_an_output_that_is_the_input_is_refused(infer, served, numbers, tmp_path):
    with pytest.raises(SettingsError, match="is the input; name another file"):
        await infer([numbers(1)], "-u", served.rest, output="in.jsonl")

    assert json.loads((tmp_path / "in.jsonl").read_text()) == numbers(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "nowhere.jsonl"], "--input-data-path: cannot read 'nowhere.jsonl': No such file or directory"),
        (["-i", "."], r"--input-data-path: cannot read '\.': "),
        (["-o", "nowhere/out.jsonl"], "--output-data-path: cannot write 'nowhere/out.jsonl': No such file"),
        (["-o", "/dev/null", "--resume"], "--resume: '/dev/null' is not a file"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named(infer, numbers, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=message):
        await infer([numbers(1)], *arguments)


async def test_an_output_may_be_a_pipe(infer, served, numbers, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(lambda: (tmp_path / "pipe").read_bytes().splitlines())
        lines = [numbers(*range(300)) for _ in range(200)]  # more than a pipe holds
        done = await infer(lines, "-u", served.rest, "-o", str(tmp_path / "pipe"))

    assert done.code == 0
    assert len(taken.result()) == 200
