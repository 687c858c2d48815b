"""B057 to B073: shapes, elements and names that do not fit one another, over REST and over gRPC."""

from __future__ import annotations

import math
from urllib.parse import quote

import pytest
from mlcore_protocol import Datatype
from standing import Standing

from .asking import RestClient, assert_refused, reply_of


def tensor(data=(1,), shape=None, datatype="INT64", name="same", **members):
    return {
        "name": name,
        "shape": [len(data)] if shape is None else list(shape),
        "datatype": datatype,
        "data": list(data),
        **members,
    }


WRAPPING = [
    [2**31, 2**31],
    [2**32, 2**32],
    [2**4, 2**60 + 2],
    [2**62, 2**62, 2**62],
    [2**31],
    [0, 2**62],
    [2**63 - 1],
    [46341, 46341],
]


@pytest.mark.parametrize("shape", WRAPPING, ids=str)
def test_b057_a_shape_of_too_many_elements_is_refused(client, stands, shape) -> None:
    assert_refused(client.infer("many", tensor([1], shape)), "inputs[0].shape: the element count", "2147483647")


def test_b057_the_largest_count_is_refused_only_for_its_data(client, stands) -> None:
    reply = client.infer("many", tensor([1], [2**31 - 1]))

    assert_refused(reply, "inputs[0]", "2147483647", "1")


@pytest.mark.parametrize("shape", [[-1], [-1, -2], [2, -1], [-(2**63)]], ids=str)
def test_b058_negative_dimensions_are_refused(client, stands, shape) -> None:
    assert_refused(client.infer("many", tensor([1, 2], shape)), "inputs[0].shape: expected dimensions of 0 and more")


@pytest.mark.parametrize("shape", [[0], [3, 0], [0, 3]], ids=str)
def test_b059_a_tensor_may_be_empty(client, stands, shape) -> None:
    assert client.infer("many", tensor([], shape)).outputs == {"same": []}
    assert_refused(client.infer("many", tensor([7], shape)), "inputs[0]", "takes 0 elements, got 1")


def test_b060_a_scalar_has_one_element(client, stands) -> None:
    assert client.infer("many", tensor([7], [])).outputs == {"same": [7]}
    assert_refused(client.infer("many", tensor([7, 8], [])), "inputs[0]", "takes 1 elements, got 2")
    assert_refused(client.infer("many", tensor([], [])), "inputs[0]")


def test_b061_a_tensor_has_32_dimensions_at_most(client, stands) -> None:
    assert client.infer("many", tensor([1], [1] * 32)).code == "OK"
    for count in (33, 1000):
        assert_refused(client.infer("many", tensor([1], [1] * count)), "inputs[0].shape: expected at most 32", "got")


@pytest.mark.parametrize("datatype", ["INT64", "FP32", "BYTES", "BOOL"])
@pytest.mark.parametrize("count", [5, 7, 1000])
def test_b062_fewer_or_more_elements_than_the_shape_has_are_refused(client, stands, datatype, count) -> None:
    element = {"BYTES": "a", "BOOL": True, "FP32": 1.5}.get(datatype, 1)

    assert_refused(client.infer("many", tensor([element] * count, [6], datatype)), "inputs[0]", "got ")


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ([[1, 2], [3]], [2, 2]),
        ([[1], [2, 3]], [2, 2]),
        ([[1, 2], 3], [3]),
        ([1, [2]], [2]),
        ([[1, 2, 3]], [3, 1]),
        ([[[1]]], [1]),
        ([[1, 2, 3, 4]], [2, 2]),
        ([[], []], [2, 1]),
    ],
)
@pytest.mark.parametrize("datatype", ["INT32", "FP64"])
def test_b063_nesting_that_is_not_that_of_the_shape_is_refused(served, standing, data, shape, datatype) -> None:
    assert_refused(reply_of(served.infer("many", tensor(data, shape, datatype))), "inputs[0].data")


ELEMENTS = [
    ("FP32", "a"),
    ("FP64", "1.5"),
    ("FP32", True),
    ("INT32", 1.5),
    ("INT32", 1.0),
    ("UINT8", 300),
    ("UINT32", -1),
    ("INT8", True),
    ("INT8", -129),
    ("BOOL", 2),
    ("BOOL", "true"),
    ("BOOL", None),
    ("INT16", None),
    ("BYTES", 1),
    ("BYTES", {}),
]


@pytest.mark.parametrize(("datatype", "element"), ELEMENTS)
@pytest.mark.parametrize("length", [2, 1000])
def test_b064_an_element_of_another_kind_is_refused_with_its_index(served, standing, datatype, element, length) -> None:
    good = {"BYTES": "a", "BOOL": True, "FP32": 1.5, "FP64": 1.5}.get(datatype, 1)
    data = [good] * length
    data[-1] = element

    reply = reply_of(served.infer("many", tensor(data, None, datatype)))

    assert_refused(reply, f"inputs[0].data[{length - 1}]: expected ", ", got ")


@pytest.mark.parametrize(
    ("datatype", "element"), [("UINT8", 300), ("INT8", 128), ("INT16", -40_000), ("UINT16", 70_000)]
)
def test_b064_a_number_of_a_wider_field_is_refused_over_grpc(client, stands, datatype, element) -> None:
    assert_refused(client.infer("many", tensor([1, element], None, datatype)), "inputs[0]", str(element))


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32"])
def test_b065_floats_beyond_their_datatype_are_refused(served, standing, datatype) -> None:
    beyond = {"FP16": 70_000, "BF16": 1e39, "FP32": 1e39}[datatype]
    for length in (1, 1000):
        reply = reply_of(served.infer("many", tensor([beyond] * length, None, datatype)))
        assert_refused(reply, f"inputs[0].data[0]: expected a number that {datatype} can hold")


def test_b065_denormal_floats_are_read(served, standing) -> None:
    assert reply_of(served.infer("many", tensor([6e-8, 1e-30], None, "FP16"))).outputs["same"] == [
        pytest.approx(6e-8, rel=0.01),
        0,
    ]
    assert reply_of(served.infer("many", tensor([5e-324], None, "FP64"))).outputs["same"] == [5e-324]


@pytest.mark.parametrize("datatype", ["", "fp32", "FP128", "STRING", "float32", "FP32 ", "INT64\n", "X" * 64])
def test_b066_an_unknown_datatype_is_refused_with_the_known_ones(client, stands, datatype) -> None:
    reply = client.infer("many", tensor([1], None, datatype))

    assert_refused(reply, "inputs[0].datatype: expected one of", *Datatype)


FITTING = {"a": tensor([1.0, 2.0, 3.0], [1, 3], "FP32", "a"), "b": tensor([7], [1, 1], "INT64", "b")}


def test_b067_what_fits_the_declared_inputs_is_read(client, stands) -> None:
    assert client.infer("declared", FITTING["a"]).code == "OK"
    assert client.infer("declared", FITTING["b"], FITTING["a"]).code == "OK"
    # Codecs of clients write N elements as [N, 1].
    assert client.infer("declared", {**FITTING["a"], "shape": [1, 3, 1]}, {**FITTING["b"], "shape": [1]}).code == "OK"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"datatype": "FP64"}, "inputs[0].datatype: the model takes FP32 for 'a', got FP64"),
        ({"datatype": "INT32", "data": [1, 2, 3]}, "inputs[0].datatype: the model takes FP32 for 'a', got INT32"),
        ({"shape": [3]}, "inputs[0].shape: the model takes [-1, 3] for 'a', got [3]"),
        ({"shape": [3, 1]}, "inputs[0].shape: the model takes [-1, 3] for 'a', got [3, 1]"),
        ({"shape": [1, 4], "data": [1.0] * 4}, "inputs[0].shape: the model takes [-1, 3] for 'a', got [1, 4]"),
        ({"shape": [1, 1, 3]}, "inputs[0].shape: the model takes [-1, 3] for 'a', got [1, 1, 3]"),
        ({"shape": [], "data": [1.0]}, "inputs[0].shape: the model takes [-1, 3] for 'a', got []"),
    ],
)
def test_b067_what_does_not_fit_the_declared_input_is_refused(client, stands, change, told) -> None:
    assert_refused(client.infer("declared", {**FITTING["a"], **change}), told)


def test_b067_inputs_that_are_only_described_are_for_the_model_to_check(client, stands) -> None:
    # Recorded cases have it so: what a folder of MLServer's declares was never held against anybody.
    assert client.infer("described", tensor([1, 2], None, "INT32", "c")).outputs == {"c": [1, 2]}


def test_b068_a_missing_input_is_refused_with_what_came(client, stands) -> None:
    assert_refused(client.infer("declared", FITTING["b"]), "inputs: 'a' is missing", "got 'b'")


def test_b068_an_input_that_the_model_does_not_have_is_refused(client, stands) -> None:
    reply = client.infer("declared", FITTING["a"], {**FITTING["b"], "name": "c"})

    assert_refused(reply, "inputs[1].name: 'c' is not an input of this model", "'a'", "'b'")


def test_b068_no_inputs_are_refused(client, stands) -> None:
    assert_refused(client.infer("many"), "inputs: expected 1 to 256 tensors, got 0")


def test_b069_two_tensors_of_one_name_are_refused(client, stands) -> None:
    assert_refused(client.infer("batched", tensor(), tensor()), "inputs: two of them have the same name")
    reply = client.infer("batched", tensor(), outputs=[{"name": "same"}, {"name": "same"}])
    assert_refused(reply, "outputs: two of them have the same name")


def test_b070_an_output_that_does_not_exist_is_refused(client, stands) -> None:
    assert_refused(client.infer("many", tensor(), outputs=[{"name": "nope"}]), "'nope'")
    assert client.infer("many", tensor(), outputs=[]).outputs == {"same": [1]}


def test_b071_a_name_that_is_none_is_refused(client, stands) -> None:
    for name in ("", "a\0b", "x" * 10**6):
        assert_refused(client.infer("batched", tensor(name=name)), "inputs[0].name: expected ", "1024")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/", "s\u0430me", "a/b", "%2e%2e", "sam\u0065\u0301"])
def test_b071_any_other_name_is_only_a_name(client, stands, name) -> None:
    assert client.infer("batched", tensor(name=name)).outputs == {name: [1]}
    assert_refused(client.infer("declared", {**FITTING["a"], "name": name}), "inputs[0].name")


@pytest.mark.parametrize("text", ["@@@@", "YQ", "YQ=", "Y Q = =", "YQ==junk", "YQ==\n", "YQ==YQ=="])
def test_b073_what_is_no_base64_is_taken_as_it_is_and_nothing_of_it_is_dropped(client, stands, text) -> None:
    # A recorded case has it so: clients send plain text with the content type, and models get it. What is
    # refused is to guess: text with junk in it is no base64, not base64 without the junk.
    given = tensor([text, "YQ=="], None, "BYTES", "text", parameters={"content_type": "base64"})

    assert client.infer("base64", given).outputs == {"lengths": [len(text), 1]}


def test_b078_256_tensors_are_the_most(client, stands) -> None:
    def many(count):
        return [tensor(name=f"n{number}") for number in range(count)]

    reply = client.infer("batched", *many(256))
    assert len(reply.outputs) == 256
    assert_refused(client.infer("batched", *many(257)), "inputs: expected 1 to 256 tensors, got")


def test_b078_a_hundred_thousand_tiny_tensors_are_refused(client, semantic) -> None:
    def ask():
        if isinstance(client, RestClient):
            return client.infer("batched", *[tensor(name=f"n{number}") for number in range(100_000)])
        return client.send(b"\x0a\x07batched" + b"\x2a\x03\x0a\x01n" * 100_000)

    assert_refused(ask(), "expected")  # the first time makes buffers, which are kept and used again
    stood = Standing(semantic)

    assert_refused(ask(), "expected")

    stood.check(growth_bytes=64 * 2**20)


def test_b078_256_requested_outputs_are_the_most(client, stands) -> None:
    asked = [{"name": f"n{number}"} for number in range(257)]
    assert_refused(client.infer("many", tensor(), outputs=asked), "outputs: expected at most 256")
    assert_refused(client.infer("many", tensor(), outputs=asked[:256]), "'n0'")


def test_a_bytes_element_of_16_mib_is_the_largest(semantic, client) -> None:
    largest = 16 * 2**20

    assert client.infer("many", tensor(["x" * largest], None, "BYTES")).code == "OK"
    stood = Standing(semantic)
    assert_refused(client.infer("many", tensor(["x" * (largest + 1)], None, "BYTES")), "inputs[0]", str(largest))
    stood.check(growth_bytes=6 * largest)


@pytest.mark.parametrize(
    "version", ["0", "01", "-1", "1e3", "latest", "9" * 400, "1 ", "1.0", "\u0661"], ids=lambda text: ascii(text)[:9]
)
def test_b079_a_version_is_found_by_its_exact_text_only(client, stands, version) -> None:
    asked = quote(version) if isinstance(client, RestClient) else version

    assert_refused(client.infer("versioned", tensor(), version=asked), "versioned", code="NOT_FOUND")


def test_b079_the_empty_version_is_a_path_of_its_own_and_the_default_over_grpc(client, stands) -> None:
    reply = client.infer("versioned", tensor(), version="")

    assert reply.code == ("NOT_FOUND" if isinstance(client, RestClient) else "OK")
    assert client.infer("versioned", tensor(), version="1").code == "OK"


def test_b037_floats_that_are_no_numbers_are_valid_json_and_exact_over_grpc(client, stands) -> None:
    given = client.infer("special", tensor()).outputs["special"]

    if isinstance(client, RestClient):
        assert given == [None, None, None, 1.5]
    else:
        assert math.isnan(given[0])
        assert given[1:] == [math.inf, -math.inf, 1.5]
