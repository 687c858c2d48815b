"""Tests of the JSON of a request down to its tensors."""

import logging
import tracemalloc

import pytest
from mlcore_protocol import InferenceError, Limits
from mlcore_protocol.json_head import JsonHeadReader

TENSOR = '{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}'


def read(text, **limits):
    return JsonHeadReader(Limits(**limits)).read(text.encode() if isinstance(text, str) else text)


def with_root(members):
    return f'{{"inputs": [{TENSOR}], {members}}}'


def with_tensor(members):
    return f'{{"inputs": [{TENSOR[:-1]}, {members}}}]}}'


def padded(text):
    """The same request, so long that it is looked at in another way."""
    return text.replace('"data": [1]', f'"data": [1{" " * 5000}]')


# Right ones


def test_members_are_read_and_data_stays_text():
    head = read(f'{{"id": "a", "parameters": {{"p": 1}}, "inputs": [{TENSOR}], "outputs": [{{"name": "y"}}]}}')

    assert (head.id, head.parameters, head.outputs[0].name) == ("a", {"p": 1}, "y")
    assert (head.inputs[0].name, head.inputs[0].shape, head.inputs[0].datatype) == ("x", [1], "FP32")
    assert bytes(head.inputs[0].data) == b"[1]"


def test_absent_members_are_none_and_absent_data_is_empty():
    head = read('{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}')

    assert (head.id, head.parameters, head.outputs, head.inputs[0].parameters) == (None, None, None, None)
    assert bytes(head.inputs[0].data) == b""


@pytest.mark.parametrize("longer", [str, padded])
def test_members_of_null_are_absent_ones(longer):
    head = read(longer(with_root('"id": null, "parameters": null, "outputs": null')))

    assert (head.id, head.parameters, head.outputs) == (None, None, None)


@pytest.mark.parametrize("longer", [str, padded])
def test_colons_in_texts_and_names_are_no_members(longer):
    head = read(
        longer(
            '{"id": "a:b", "inputs": [' + TENSOR + ', {"name": "u:v", "shape": [1], "datatype": "BYTES", '
            '"parameters": {"url": "http://a:1"}, "data": [":::"]}]}'
        )
    )

    assert (head.id, head.inputs[1].name, head.inputs[1].parameters) == ("a:b", "u:v", {"url": "http://a:1"})


def test_a_bytearray_is_read_as_well():
    assert read(bytearray(with_root('"z": 1').encode())).inputs[0].name == "x"


@pytest.mark.parametrize("space", ["", " ", "\n\t\r  "])
def test_white_space_between_anything_is_no_matter(space):
    text = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],"id":"a"}'
    for character in "{}[]:,":
        text = text.replace(character, f"{space}{character}{space}")

    assert read(text).id == "a"


def test_an_escaped_key_is_the_key():
    assert read(TENSOR.join(['{"\\u0069nputs": [', "]}"])).inputs[0].name == "x"


@pytest.mark.parametrize(
    "members",
    [
        '"z": 1',
        '"z": {"inputs": []}',
        '"z": [{"a": 1}, {"a": 1}]',
        '"z": 1e999',
        f'"z": {"9" * 10_000}',
        '"z": "\\ud83d\\ude00"',
    ],
)
@pytest.mark.parametrize("place", [with_root, with_tensor])
@pytest.mark.parametrize("longer", [str, padded])
def test_unknown_members_are_ignored(members, place, longer):
    assert bytes(read(longer(place(members))).inputs[0].data).strip(b"[ ]") == b"1"


def test_unknown_members_are_ignored_beside_tensors_without_data():
    text = f'{{"z": 1, "inputs": [{TENSOR}, {{"name": "b", "shape": [1], "datatype": "FP32"}}, {TENSOR}]}}'

    assert [bytes(tensor.data).strip(b"[ ]") for tensor in read(padded(text)).inputs] == [b"1", b"", b"1"]


def test_unknown_members_are_told_in_the_debug_log_in_one_short_line(caplog):
    text = with_tensor('"\\n\\u001b[0m": 1, "also": 2').replace('{"inputs"', f'{{"{"k" * 1000}": 3, "inputs"')

    with caplog.at_level(logging.DEBUG, "mlcore_protocol"):
        read(text)

    (line,) = caplog.messages
    assert line.startswith("Ignored unknown members: ")
    assert "'also'" in line
    assert line.isprintable()
    assert len(line) < 250


def test_known_members_are_not_told_in_the_log(caplog):
    with caplog.at_level(logging.DEBUG, "mlcore_protocol"):
        read(with_root('"id": null'))

    assert caplog.messages == []


# Keys that stand twice


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (with_root(f'"inputs": [{TENSOR}]'), "inputs"),
        (with_root('"id": "a", "id": "a"'), "id"),
        (with_root('"id": "a", "id": null'), "id"),
        (with_root('"parameters": {}, "parameters": {}'), "parameters"),
        (with_root('"parameters": {"p": 1, "p": 2}'), "p"),
        (with_root('"outputs": [], "outputs": []'), "outputs"),
        (with_root('"outputs": [{"name": "y", "name": "y"}]'), "name"),
        (with_root('"outputs": [{"name": "y", "parameters": {"p": 1, "p": 2}}]'), "p"),
        (with_root('"z": {"a": 1, "a": 2}'), "a"),
        (with_tensor('"name": "x"'), "name"),
        (with_tensor('"shape": [1]'), "shape"),
        (with_tensor('"datatype": "FP32"'), "datatype"),
        (with_tensor('"data": [1]'), "data"),
        (with_tensor('"data": [2]'), "data"),
        (with_tensor('"parameters": {"p": 1, "p": 2}'), "p"),
        (with_tensor('"name": "x"').replace('"data": [1], ', ""), "name"),
        (with_tensor('"\\u006eame": "x"'), "name"),
        (with_tensor('"n\\u0061m\\u0065": "\\u003a"'), "name"),
        (with_root('"\\u0069d": "a", "id": "b"'), "id"),
        (with_root('"parameters": {"p": 1, "\\u0070": 2}'), "p"),
    ],
)
@pytest.mark.parametrize("longer", [str, padded])
def test_a_key_that_stands_twice_is_refused(text, key, longer):
    with pytest.raises(InferenceError, match=f"the body: the key '{key}' stands twice in one object"):
        read(longer(text))


def test_a_long_key_that_stands_twice_is_cut_in_the_message():
    key = "k" * 1000

    with pytest.raises(InferenceError) as raised:
        read(with_root(f'"{key}": 1, "{key}": 2'))

    assert len(str(raised.value)) < 150


def test_many_distinct_keys_are_told_from_one_that_stands_twice():
    keys = ", ".join(f'"{"k" * 64}{index}": 1' for index in range(12_000))
    twice = f'{keys}, "{"k" * 64}11999": 1'

    read(with_root(keys))
    with pytest.raises(InferenceError, match="twice"):
        read(with_root(twice))


# Nesting


DEEP = [
    "[" * 70 + "]" * 70,
    '{"a":' * 70 + "1" + "}" * 70,
    '[{"a":' * 35 + "1" + "}]" * 35,
    "[" * 1_000 + "]" * 1_000,
    "[" * 100_000 + "]" * 100_000,
    "[" * 250_000,
    '{"a":' * 250_000,
    "{" * 1_000_000,
]


@pytest.mark.parametrize("deep", DEEP, ids=lambda deep: f"{deep[:6]}{len(deep)}")
@pytest.mark.parametrize("place", [str, with_root, with_tensor])
def test_deep_nesting_is_refused(deep, place):
    text = deep if place is str else place(f'"z": {deep}')
    reader = JsonHeadReader(Limits())

    with pytest.raises(InferenceError, match=r"nesting depth|not valid JSON|expected object|missing"):
        reader.read(text.encode())
    with pytest.raises(InferenceError, match="the body: its nesting depth is over the limit, 64"):
        reader.check_depth(text.encode())


@pytest.mark.parametrize(("depth", "is_refused"), [(63, False), (64, True)])
def test_the_limit_counts_the_levels_of_unknown_members_too(depth, is_refused):
    text = with_root(f'"z": {"[" * depth}{"]" * depth}')

    if is_refused:
        with pytest.raises(InferenceError, match="nesting depth"):
            read(text)
    else:
        assert read(text).inputs[0].name == "x"


def test_brackets_within_texts_are_no_nesting():
    brackets = "[{" * 100

    read(with_root(f'"z": "{brackets}", "y": "\\"{brackets}", "x": "\\\\", "w": "\\\\\\"{brackets}"'))


def test_lists_side_by_side_are_no_nesting():
    read(with_root(f'"z": [{", ".join(["[[]]"] * 100)}]'))


def test_nesting_beyond_what_python_can_do_is_refused_whatever_the_limit_is():
    refused = []

    for depth in range(250, 20_000, 250):  # some of them too deep for one decoder and not for the other
        try:
            read(with_root(f'"z": {"[" * depth}{"]" * depth}'), max_depth=10**9)
        except InferenceError as error:
            refused.append(str(error))

    assert refused
    assert all("nesting depth" in message or "recursion" in message for message in refused)


# Size


@pytest.mark.parametrize(
    "members",
    [
        f'"id": "{"a" * 2**20}"',
        f'"parameters": {{"p": "{"a" * 2**20}"}}',
        f'"z": "{"a" * 2**20}"',
        f'"z": 1{" " * 2**20}',
    ],
)
def test_more_json_besides_data_than_the_limit_is_refused(members):
    with pytest.raises(
        InferenceError, match="the body: expected at most 1048576 bytes besides the inputs' data, got 1048"
    ):
        read(with_root(members))


def test_the_limit_is_exact():
    text = with_root('"z": 1')
    besides_data = len(text) - len("[1]")

    assert read(text, max_head_bytes=besides_data).inputs[0].name == "x"
    with pytest.raises(InferenceError, match=f"at most {besides_data - 1} bytes besides .* got {besides_data}"):
        read(text, max_head_bytes=besides_data - 1)


def test_data_may_be_of_any_size():
    head = read(f'{{"z": 1, "inputs": [{TENSOR.replace("[1]}", "[" + "1," * 2**20 + "1]}")}]}}')

    assert len(head.inputs[0].data) == 2**21 + 3


def test_data_may_have_any_number_of_colons():
    colons = f'["{":" * 2**20}"]}}'

    head = read(f'{{"inputs": [{TENSOR.replace("[1]}", colons)}]}}')

    assert len(head.inputs[0].data) == 2**20 + 4


MANY_PARAMETERS = ", ".join(f'"p{number}": 1' for number in range(500_000))


@pytest.mark.parametrize(
    "text",
    [
        with_root(f'"parameters": {{{MANY_PARAMETERS}}}'),
        with_tensor(f'"parameters": {{{MANY_PARAMETERS}}}'),
        f'{{"inputs": [{", ".join([TENSOR] * 100_000)}]}}',
    ],
    ids=["parameters", "tensor parameters", "tensors"],
)
def test_members_by_the_hundred_thousand_are_refused_before_they_take_memory(text):
    text = text.encode()
    reader = JsonHeadReader(Limits())

    tracemalloc.start()
    with pytest.raises(InferenceError, match="bytes besides the inputs' data"):
        reader.read(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2**24


# Wrong ones


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the body is not valid JSON: "),
        (" ", "the body is not valid JSON: "),
        ("null", "the body: expected object, got null"),
        ("[]", "the body: expected object, got array"),
        ('"x"', "the body: expected object, got str"),
        ("7", "the body: expected object, got int"),
        ("{}", "the body: object missing required field inputs"),
        ('{"inputs": {}}', "inputs: expected array, got object"),
        ('{"inputs": null}', "inputs: expected array, got null"),
        ('{"inputs": [7]}', "inputs[0]: expected object, got int"),
        ('{"inputs": [{}]}', "inputs[0]: object missing required field name"),
        ('{"inputs": [{"name": "x", "shape": [1]}]}', "inputs[0]: object missing required field datatype"),
        ('{"inputs": [{"name": 5}]}', "inputs[0].name: expected str, got int"),
        ('{"inputs": [{"shape": "3"}]}', "inputs[0].shape: expected array, got str"),
        ('{"inputs": [{"shape": [1.0]}]}', "inputs[0].shape[0]: expected int, got float"),
        ('{"inputs": [{"shape": [1, true]}]}', "inputs[0].shape[1]: expected int, got bool"),
        ('{"inputs": [{"shape": [null]}]}', "inputs[0].shape[0]: expected int, got null"),
        ('{"inputs": [{"datatype": null}]}', "inputs[0].datatype: expected str, got null"),
        ('{"inputs": [{"parameters": []}]}', "inputs[0].parameters: expected object | null, got array"),
        ('{"id": 7}', "id: expected str | null, got int"),
        ('{"outputs": {}}', "outputs: expected array | null, got object"),
        ('{"outputs": [{}]}', "outputs[0]: object missing required field name"),
        (with_root('"z": 1') + " x", "the body is not valid JSON: JSON is malformed: trailing characters"),
        (with_root('"z": 1') * 2, "the body is not valid JSON: JSON is malformed: trailing characters"),
        (with_root('"z": NaN'), "the body is not valid JSON: "),
        (with_root('"z": 01'), "the body is not valid JSON: "),
        (with_root("'z': 1"), "the body is not valid JSON: "),
        (with_root('"z": 1,'), "the body is not valid JSON: "),
        (with_root('"z": 1 // why'), "the body is not valid JSON: "),
        (with_root('"z": "\n"'), "the body is not valid JSON: "),
        (with_root('"id": "\\ud800 and more"'), "the body is not valid JSON: "),
        (with_root('"parameters": {"\\ud800 and more": 1}'), "the body is not valid JSON: "),
    ],
)
def test_what_is_not_a_request_is_refused_with_the_place(text, message):
    with pytest.raises(InferenceError) as raised:
        read(text)

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + with_root('"z": 1').encode(),
        with_root('"z": 1').encode("utf-16"),
        with_root('"z": 1').encode("utf-16-le"),
        with_root('"z": 1').encode("utf-32"),
        with_root('"id": "@"').encode().replace(b"@", b"\xff"),
        with_root('"id": "@"').encode().replace(b"@", b"\xc0\x80"),
        with_root('"id": "@"').encode().replace(b"@", b"\xed\xa0\x80"),
        with_root('"z": "@"').encode().replace(b"@", b"\xff"),
        with_root('"z": "@"').encode().replace(b"@", b"\xc0\x80"),
        with_root('"z": "@"').encode().replace(b"@", b"\xed\xa0\x80"),
        with_root('"@": 1').encode().replace(b"@", b"\xff"),
        with_root('"parameters": {"@": 1}').encode().replace(b"@", b"\xff"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_also_where_nobody_reads_it(text):
    with pytest.raises(InferenceError, match="the body is not valid JSON: "):
        read(text)
