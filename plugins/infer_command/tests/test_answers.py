"""`mlcore infer` against a real server: each line gets its answer, whatever the way."""

import json
import re

import pytest

WAYS = {"rest": [], "rest, binary": ["-b"], "grpc": [], "grpc, binary": ["-b"], "rest, batches": ["-s", "7"]}


def address(served, way):
    return ["-u", served.grpc if way.startswith("grpc") else served.rest, *WAYS[way]]


def data_of(line):
    return line["outputs"][0]["data"] if "outputs" in line else line["error"]["status"]


@pytest.mark.parametrize("way", WAYS)
async def test_every_line_gets_its_answer_in_order_and_bad_ones_an_error(served, infer, numbers, way):
    lines = [numbers(index, 0.5, id=f"r{index}") for index in range(100)]
    lines[3] = "not json"
    lines[10] = ""
    lines[20] = numbers(400)
    lines[30] = numbers(500)
    lines[40] = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP64", "data": [1]}]}
    lines[50] = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP65", "data": [1]}]}
    lines[60] = [1]
    done = await infer(lines, *address(served, way))

    assert done.code == 1
    assert [line["parameters"]["batch_index"] for line in done.lines] == list(range(100))
    bad = {3: "preprocessing error", 10: "preprocessing error", 20: "invalid_argument", 30: "internal"}
    bad |= dict.fromkeys((40, 50, 60), "preprocessing error")
    assert [data_of(line) for line in done.lines] == [bad.get(index, [2 * index, 1]) for index in range(100)]
    assert all(line["id"] == f"r{index}" for index, line in enumerate(done.lines) if index not in bad)
    assert done.lines[3]["error"] == {
        "status": "preprocessing error",
        "line": 4,
        "msg": "the line is not valid JSON: JSON is malformed: invalid character (byte 4)",
    }
    assert done.lines[20]["error"]["msg"] == "x: 400 is too much"
    assert "error id" in done.lines[30]["error"]["msg"]
    assert done.lines[40]["error"]["msg"] == "inputs[0].data: the shape [3] takes 3 elements, got 1"
    assert re.fullmatch(r"100 lines done, 7 of them failed, in \S+ s \(\S+ a second\)\n", done.said)


async def test_a_run_without_an_error_ends_with_zero(served, infer, numbers):
    done = await infer([numbers(1)], "-u", served.rest)

    assert done.code == 0
    assert done.lines[0]["parameters"] == {"rows": 1, "batch_index": 0}
    assert done.lines[0]["model_name"] == "twice"


async def test_no_lines_are_no_answers(served, infer):
    assert (await infer([], "-u", served.rest)).lines == []


async def test_lines_that_fit_are_sent_together_and_others_alone(served, infer, numbers):
    lines = [numbers(1), numbers(2), numbers(1, 2), numbers(3), numbers(4, id="mine")]
    done = await infer(lines, "-u", served.rest, "-s", "5", "-w", "1")

    assert [line["parameters"]["rows"] for line in done.lines] == [4, 4, 1, 4, 4]
    assert [data_of(line) for line in done.lines] == [[2], [4], [2, 4], [6], [8]]
    assert done.lines[4]["id"] == "mine"
    shared = {line["parameters"].get("inference_id") for line in done.lines}
    assert len(shared - {None}) == 1


async def test_a_line_that_fails_takes_none_of_its_batch_along(served, infer, numbers):
    done = await infer([numbers(1), numbers(400), numbers(500), numbers(2)], "-u", served.grpc, "-s", "4")

    assert [data_of(line) for line in done.lines] == [[2], "invalid_argument", "internal", [4]]


async def test_what_a_model_does_not_find_is_an_error_of_the_line(served, infer, numbers):
    for url in (served.rest, served.grpc):
        done = await infer([numbers(404), numbers(1)], "-u", url)

        assert [data_of(line) for line in done.lines] == ["not_found", [2]]


async def test_answers_may_be_written_as_they_come(served, infer, numbers):
    done = await infer([numbers(index) for index in range(50)], "-u", served.rest, "--as-completed")

    assert {line["parameters"]["batch_index"]: data_of(line) for line in done.lines} == {
        index: [2 * index] for index in range(50)
    }


@pytest.mark.parametrize("way", ["rest", "rest, binary", "grpc", "grpc, binary"])
async def test_texts_come_back_as_texts_and_bytes_that_are_none_as_an_error(served, infer, way):
    lines = [
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}
        for text in ("h\u00e9llo\n", "bytes", "\u2028")
    ]
    done = await infer(lines, *address(served, way), model="text")

    assert [data_of(line) for line in done.lines] == [["h\u00e9llo\n"], "internal", ["\u2028"]]


@pytest.mark.parametrize(
    ("transport", "arguments", "message"),
    [
        ("rest", ["-m", "nope"], "Model nope"),
        ("grpc", ["-m", "nope"], "Model nope"),
        ("rest", ["--model-version", "3"], "twice"),
    ],
)
async def test_a_model_that_is_not_there_stops_the_run(served, infer, numbers, transport, arguments, message):
    done = await infer([numbers(1)] * 3, "-u", getattr(served, transport), *arguments)

    assert (done.code, done.lines) == (2, [])
    assert done.said.startswith("mlcore: error: ")
    assert message in done.said


@pytest.mark.parametrize("transport", ["http", "grpc"])
async def test_a_server_that_is_not_there_stops_the_run(infer, numbers, transport):
    done = await infer([numbers(1)], "-u", f"{transport}://127.0.0.1:1", "-r", "0")

    assert (done.code, done.lines) == (2, [])
    assert done.said.startswith(f"mlcore: error: cannot reach {transport}://127.0.0.1:1: ")


async def test_whoever_wants_sees_everything(served, infer, numbers):
    done = await infer([numbers(1), "{"], "-u", served.rest, "-vv")

    assert f"line 1 > {json.dumps(numbers(1))}\n" in done.said
    assert 'line 1 < {"model_name"' in done.said
    assert "line 2: the line is not valid JSON" in done.said
