"""B031 to B053: JSON that is none, too deep, too long, or says another thing than it seems to."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from standing import Standing

from .asking import assert_refused, reply_of

ROOM = 96 * 2**20
"""What bodies of some ten megabytes may leave in both processes: buffers that the next one uses."""


def tensor(data="1", datatype="INT64", shape="[1]", name="same", more=""):
    """Return the JSON of a tensor; each member is JSON, save name and datatype."""
    return f'{{"name": "{name}", "shape": {shape}, "datatype": "{datatype}"{more}, "data": {data}}}'


def whole(inputs=None, more=""):
    return f'{{"inputs": [{tensor() if inputs is None else inputs}]{more}}}'


def ask(server, text, path="/v2/models/many/infer"):
    return server.post(path, text if isinstance(text, bytes) else text.encode())


def refused(server, text, *told, path="/v2/models/many/infer"):
    assert_refused(reply_of(ask(server, text, path)), *told)


def refused_again(server, text, *told):
    """Check that a large body is refused and leaves nothing behind but buffers, which are bounded and used again."""
    refused(server, text, *told)
    stood = Standing(server)
    refused(server, text, *told)
    stood.check(growth_bytes=ROOM)


def nested(depth):
    return "[" * depth + "]" * depth


PLACES = {
    "data": lambda depth: whole(tensor(nested(depth - 3))),
    "the parameters": lambda depth: whole(more=f', "parameters": {{"a": {nested(depth - 2)}}}'),
    "the parameters of a tensor": lambda depth: whole(tensor(more=f', "parameters": {{"a": {nested(depth - 4)}}}')),
    "an unknown member": lambda depth: whole(more=f', "strange": {nested(depth - 1)}'),
    "the root": nested,
}


@pytest.mark.parametrize("depth", [65, 10**3, 10**5, 250_000])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_b031_deep_nesting_is_refused(served, standing, place, depth) -> None:
    refused(served, place(depth), "nesting depth", "64")


@pytest.mark.parametrize("depth", [65, 10**5, 250_000])
def test_b031_deep_nesting_is_refused_by_the_repository(served, standing, depth) -> None:
    refused(served, nested(depth), path="/v2/repository/index")
    refused(served, f'{{"ready": {nested(depth)}}}', path="/v2/repository/index")


def test_b031_nesting_at_the_limit_is_read(served, standing) -> None:
    assert ask(served, PLACES["an unknown member"](64)).status == 200


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": ' + '[{"a":' * 10**4 + "1" + "}]" * 10**4 + "}",
        "{" * 10**6,
        "[" * 10**6,
        '{"a":' * 10**5,
        '[{"inputs":' * 40 + "0" + "}]" * 40,
    ],
    ids=["alternating", "braces", "brackets", "members", "shallow"],
)
def test_b032_deep_nesting_of_any_kind_is_refused(served, standing, text) -> None:
    refused(served, text, "nesting depth")


@pytest.mark.parametrize(
    ("data", "datatype"),
    [
        ("9" * 5000, "INT64"),
        ("9" * 10**6, "INT64"),
        ("-" + "9" * 5000, "INT8"),
        ("9" * 5000, "FP64"),
        ("9" * 10**6, "FP32"),
        ("1e400", "FP64"),
        ("-1e400", "FP32"),
        ("1E5", "INT32"),
        ("1.0", "INT64"),
        ("0x10", "INT64"),
        ("01", "INT64"),
        ("+1", "INT64"),
        ("1.", "FP32"),
        (".5", "FP32"),
    ],
)
@pytest.mark.parametrize("padding", ["", ", 1" * 400], ids=["short", "long"])
def test_b033_numbers_that_do_not_fit_are_refused(served, standing, data, datatype, padding) -> None:
    shape = f"[{1 + padding.count(',')}]"

    refused(served, whole(tensor(f"[{data}{padding}]", datatype, shape)))


@pytest.mark.parametrize("count", [1, 400])
def test_b033_minus_zero_is_a_number(served, standing, count) -> None:
    text = ", ".join(["-0"] * count)

    assert ask(served, whole(tensor(f"[{text}]", "INT64", f"[{count}]"))).json()["outputs"][0]["data"] == [0] * count
    assert str(ask(served, whole(tensor("[-0.0]", "FP64"))).json()["outputs"][0]["data"]) == "[-0.0]"


@pytest.mark.parametrize("count", [1, 400])
@pytest.mark.parametrize(
    ("number", "datatype"),
    [(2**64, "UINT64"), (2**64, "INT64"), (2**63, "INT64"), (-(2**63) - 1, "INT64"), (-1, "UINT64")],
)
def test_b034_integers_beyond_their_datatype_are_refused_and_never_rounded(
    served, standing, number, datatype, count
) -> None:
    refused(served, whole(tensor(f"[{', '.join([str(number)] * count)}]", datatype, f"[{count}]")), "inputs[0].data[0]")


@pytest.mark.parametrize("count", [1, 400])
@pytest.mark.parametrize(
    ("number", "datatype"),
    [(2**53 + 1, "INT64"), (2**63 - 1, "INT64"), (-(2**63), "INT64"), (2**64 - 1, "UINT64"), (2**53 + 1, "UINT64")],
)
def test_b035_large_integers_come_back_exactly(served, standing, number, datatype, count) -> None:
    answer = ask(served, whole(tensor(json.dumps([number] * count), datatype, f"[{count}]")))

    assert answer.json()["outputs"][0]["data"] == [number] * count


@pytest.mark.parametrize("count", [1, 400])
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "nan", "inf"])
def test_b036_literals_that_json_does_not_have_are_refused_by_every_reader(served, standing, literal, count) -> None:
    refused(served, whole(tensor(f"[{', '.join([literal] * count)}]", "FP32", f"[{count}]")), "JSON")
    refused(served, whole(more=f', "parameters": {{"a": {literal}}}'), "JSON")


@pytest.mark.parametrize("count", [1, 400])
def test_b036_their_texts_and_null_stand_for_them(served, standing, count) -> None:
    # A recorded case has it so: clients of other servers send the three texts, and null for a missing number.
    data = json.dumps(["NaN", "Infinity", "-Infinity", None] * count)

    assert ask(served, whole(tensor(data, "FP32", f"[{4 * count}]"))).status == 200


SURROGATES = {
    "the id": whole(more=r', "id": "\ud800"'),
    "a name": whole(tensor(name=r"\ud800")),
    "data": whole(tensor(r'["\ud800"]', "BYTES")),
    "the second half": whole(tensor(r'["\udc00 \ud800"]', "BYTES")),
    "a parameter": whole(more=r', "parameters": {"\ud800": "\udfff"}'),
    "a datatype": whole(tensor(datatype=r"\ud800")),
    "an output": whole(more=r', "outputs": [{"name": "\ud800"}]'),
    "an unknown member": whole(more=r', "\ud800": 1'),
}


@pytest.mark.parametrize("text", SURROGATES.values(), ids=SURROGATES)
def test_b038_half_a_character_is_refused(served, standing, text) -> None:
    refused(served, text)


INVALID = {
    "a stray byte": whole(tensor('["@"]', "BYTES")).encode().replace(b"@", b"\xff"),
    "a cut character": whole(tensor('["@"]', "BYTES")).encode().replace(b"@", b"\xe2\x82"),
    "an overlong form": whole(tensor('["@"]', "BYTES")).encode().replace(b"@", b"\xc0\xaf"),
    "an encoded surrogate": whole(tensor('["@"]', "BYTES")).encode().replace(b"@", b"\xed\xa0\x80"),
    "a name": whole(tensor(name="@")).encode().replace(b"@", b"\xff"),
    "an unknown member": whole(more=', "@": 1').encode().replace(b"@", b"\xff"),
    "the text of an unknown member": whole(more=', "a": "@"').encode().replace(b"@", b"\xff"),
    "UTF-16": whole().encode("utf-16"),
    "UTF-32": whole().encode("utf-32-le"),
    "a byte order mark": b"\xef\xbb\xbf" + whole().encode(),
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_b039_what_is_no_utf8_is_refused(served, standing, text) -> None:
    refused(served, text)


def test_b040_a_nul_in_texts_comes_back(served, standing) -> None:
    answer = ask(served, whole(tensor(r'["a\u0000b"]', "BYTES")))

    assert answer.json()["outputs"][0]["data"] == ["a\0b"]


def test_b040_a_nul_in_names_is_refused(served, standing) -> None:
    refused(served, whole(tensor(name=r"same\u0000")), "inputs[0].name")
    refused(served, whole(more=r', "id": "a\u0000"'), "id")
    refused(served, whole(more=r', "outputs": [{"name": "a\u0000"}]'), "outputs[0].name")


TWICE = {
    "inputs": whole(more=f', "inputs": [{tensor()}]'),
    "id": whole(more=', "id": "a", "id": "b"'),
    "shape": whole(tensor(more=', "shape": [1]')),
    "datatype": whole(tensor(more=', "datatype": "INT64"')),
    "data": whole(tensor(more=', "data": [2]')),
    "name": whole(tensor(more=', "name": "pid"')),
    "a": whole(more=', "parameters": {"a": 1, "a": 2}'),
    "strange": whole(more=', "strange": 1, "strange": 2'),
    "deep": whole(more=', "strange": {"deep": 1, "deep": 2}'),
}


@pytest.mark.parametrize("name", TWICE)
def test_b041_a_key_that_stands_twice_is_refused(served, standing, name) -> None:
    refused(served, TWICE[name], f"'{name}' stands twice")


@pytest.mark.parametrize(
    "text", ["", " ", "null", "[]", '"x"', "7", "{}", whole() + "x", whole() + whole(), whole() + ",", whole()[:-1]]
)
def test_b042_what_is_no_request_is_refused(served, standing, text) -> None:
    refused(served, text)


def test_b043_unknown_members_are_ignored(served, standing) -> None:
    text = whole(tensor(more=', "stranger": {"a": [1]}'), ', "strange": null')

    assert ask(served, text).json()["outputs"][0]["data"] == [1]


WRONG = {
    "inputs": '{"inputs": {}}',
    "inputs[0]": '{"inputs": [7]}',
    "inputs[0].shape": whole(tensor(shape='"3"')),
    "inputs[0].shape[0]": whole(tensor(shape="[1.0]")),
    "inputs[0].shape[1]": whole(tensor(shape="[1, true]")),
    "inputs[0].name": '{"inputs": [{"name": 5, "shape": [1], "datatype": "INT64", "data": [1]}]}',
    "inputs[0].datatype": '{"inputs": [{"name": "a", "shape": [1], "datatype": null, "data": [1]}]}',
    "inputs[0].parameters": whole(tensor(more=', "parameters": []')),
    "id": whole(more=', "id": 7'),
    "parameters": whole(more=', "parameters": 7'),
    "outputs": whole(more=', "outputs": {}'),
    "outputs[0].name": whole(more=', "outputs": [{"name": []}]'),
}


@pytest.mark.parametrize("path", WRONG)
def test_b044_a_member_of_another_type_is_refused_with_its_path(served, standing, path) -> None:
    refused(served, WRONG[path], f"{path}: expected", "got")


def test_b045_too_many_parameters_are_refused(client, stands) -> None:
    good = {"name": "same", "shape": [1], "datatype": "INT64", "data": [1]}

    def many(count):
        return {f"p{number}": number for number in range(count)}

    assert client.infer("many", good, parameters=many(64)).code == "OK"
    assert client.infer("many", {**good, "parameters": many(64)}).code == "OK"
    assert_refused(client.infer("many", good, parameters=many(65)), "parameters: expected at most 64", "got ")
    assert_refused(client.infer("many", {**good, "parameters": many(65)}), "inputs[0].parameters", "got ")


def test_b045_a_million_parameters_are_refused(served) -> None:
    keys = ", ".join(f'"p{number}": 1' for number in range(10**6))
    text = whole(more=f', "parameters": {{{keys}}}')

    refused_again(served, text)


@pytest.mark.parametrize("value", ["{}", "[]", '{"a": 1}', "[[1]]"])
def test_b045_parameters_are_scalars(served, standing, value) -> None:
    refused(served, whole(more=f', "parameters": {{"a": {value}}}'), "parameters.a: expected a string, a number or a")
    refused(served, whole(tensor(more=f', "parameters": {{"a": {value}}}')), "inputs[0].parameters.a")


def test_b045_a_parameter_of_ten_megabytes_is_refused(served) -> None:
    refused_again(
        served, whole(more=f', "parameters": {{"a": "{"x" * 10**7}"}}'), "1048576 bytes besides the inputs' data"
    )


@pytest.mark.parametrize("name", ["__class__", "__init__", "__dict__", "batch_size", "__proto__", "model_version"])
def test_b046_names_that_mean_something_elsewhere_are_only_names(client, stands, name) -> None:
    good = {"name": "same", "shape": [1], "datatype": "INT64", "data": [1], "parameters": {name: "x"}}

    assert client.infer("many", good, parameters={name: "x"}).outputs == {"same": [1]}


@pytest.mark.parametrize("name", ["__class__", "load", "settings.name", "__init__.__globals__"])
def test_b046_the_name_of_a_tensor_is_no_attribute_of_the_server(client, stands, name) -> None:
    good = {"name": name, "shape": [1], "datatype": "INT64", "data": [1], "parameters": {"content_type": "np"}}

    assert client.infer("batched", good).outputs == {name: [1]}


def test_b047_many_distinct_keys_are_counted_before_they_are_kept(served) -> None:
    keys = ", ".join(f'"{"k" * 100}{number}": 1' for number in range(10**5))

    refused_again(served, whole(more=f', "parameters": {{{keys}}}'))
    refused_again(served, f'{{"inputs": [], {keys}}}')


def test_b048_escaped_names_of_members_are_the_same_names(served, standing) -> None:
    text = whole().replace('"name"', r'"\u006eame"').replace('"data"', r'"d\u0061ta"')

    assert ask(served, text).json()["outputs"][0]["data"] == [1]
    refused(served, whole(tensor(more=r', "\u006eame": "pid"')), "'name' stands twice")


def test_b049_an_id_of_ten_megabytes_is_refused(served) -> None:
    refused_again(served, whole(more=f', "id": "{"x" * 10**7}"'))


def test_b049_the_same_id_of_two_clients_is_no_reason_to_mix_them_up(client, stands) -> None:
    def one(number):
        good = {"name": "same", "shape": [1], "datatype": "INT64", "data": [number]}
        return number, client.infer("batched", good, id="the same")

    with ThreadPoolExecutor(8) as threads:
        for number, reply in threads.map(one, range(1, 33)):
            assert (reply.id, reply.outputs) == ("the same", {"same": [number]})


def test_b050_what_came_is_cut_in_the_error(served) -> None:
    refused_again(served, whole(tensor(datatype="X" * 10**6)))
    refused_again(served, whole(tensor(datatype="X" * 10**5)), "inputs[0].datatype: expected one of BOOL", "got 'XXXX")
    refused_again(served, whole(tensor(f'["{"y" * 10**7}"]')), "inputs[0].data[0]: expected an integer", "got 'yyyy")


@pytest.mark.parametrize("character", [*"\x00\x01\t\n\r\x1b\x1f"], ids=ascii)
def test_b051_control_characters_have_to_be_escaped(served, standing, character) -> None:
    refused(served, whole(tensor(f'["a{character}b"]', "BYTES")))
    refused(served, whole(more=f', "id": "a{character}b"'))
    refused(served, whole(more=f', "strange": "a{character}b"'))


@pytest.mark.parametrize(
    "text",
    [
        whole() + " // a comment",
        "/* a comment */" + whole(),
        whole().replace('"', "'"),
        whole().replace("]}", "],}"),
        whole(tensor("[1,]")),
        whole().replace('"inputs"', "inputs"),
        "{" + whole(more=",")[1:],
    ],
)
def test_b052_what_only_looks_like_json_is_refused(served, standing, text) -> None:
    refused(served, text)


def test_b053_a_body_of_white_space_is_refused(served) -> None:
    refused_again(served, b" " * (8 * 2**20))
    refused_again(served, whole()[:-1].encode() + b" " * (8 * 2**20) + b"}", "bytes besides the inputs' data")
