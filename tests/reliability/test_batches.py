"""B074 to B077: requests that share a batch never notice one another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .asking import assert_refused


def tensor(data, shape, datatype="INT64", **members):
    return {"name": "same", "shape": shape, "datatype": datatype, "data": data, **members}


def at_once(client, requests):
    """Send requests side by side, each by its inputs and members, and return the replies in their order."""
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda each: client.infer("batched", *each[0], **each[1]), requests))


def test_b074_no_rows_are_an_empty_answer(client, stands) -> None:
    assert client.infer("batched", tensor([], [0, 1])).outputs == {"same": []}


@pytest.mark.parametrize("rows", [17, 1000])
def test_b074_more_rows_than_a_batch_holds_run_alone(client, stands, rows) -> None:
    # `max_batch_size` bounds what is joined. Such a request is a client's own batch, and is answered.
    replies = at_once(client, [([tensor([number] * rows, [rows, 1])], {}) for number in range(1, 5)])

    assert [reply.outputs["same"] for reply in replies] == [[number] * rows for number in range(1, 5)]


def test_b074_inputs_of_different_rows_are_never_joined(client, stands) -> None:
    # Which inputs have rows in common is for the model to say; here none has.
    odd = [tensor([1], [1, 1]), {**tensor([1, 2], [2, 1]), "name": "other"}]
    replies = at_once(client, [(odd, {})] * 4 + [([tensor([number], [1, 1])], {}) for number in range(1, 5)])

    assert [reply.outputs for reply in replies[:4]] == [{"same": [1], "other": [1, 2]}] * 4
    assert [reply.outputs for reply in replies[4:]] == [{"same": [number]} for number in range(1, 5)]


def test_b075_values_without_a_row_do_not_reach_another_client(client, stands) -> None:
    replies = at_once(client, [([tensor([], [1, 1])], {}), ([tensor([42, 43], [1, 1])], {})] * 8)

    for first, second in zip(replies[::2], replies[1::2], strict=True):
        assert_refused(first, "inputs[0]", "elements")
        assert_refused(second, "inputs[0]", "takes 1 elements, got 2")
        assert "42" not in first.message
        assert "43" not in first.message


@pytest.mark.parametrize(
    "wrong",
    [
        tensor([1, 2], [1, 1]),
        tensor([1], [-1, 1]),
        tensor([1], [1] * 33),
        tensor([1], [1, 1], "INT4"),
        {**tensor([1], [1, 1]), "name": ""},
    ],
)
def test_b076_one_malformed_member_leaves_the_others_as_they_are(client, stands, wrong) -> None:
    good = [([tensor([number], [1, 1])], {"id": f"n{number}"}) for number in range(1, 9)]

    replies = at_once(client, [*good[:4], ([wrong], {}), *good[4:]])

    assert_refused(replies.pop(4), "inputs[0]")
    for number, reply in enumerate(replies, 1):
        assert (reply.id, reply.outputs) == (f"n{number}", {"same": [number]})


def test_b077_members_that_differ_are_answered_as_if_alone(client, stands) -> None:
    requests = [
        ([tensor([1], [1, 1])], {}),
        ([tensor([2], [1, 1])], {"parameters": {"mode": "a"}}),
        ([tensor([3], [1, 1])], {"parameters": {"mode": True}}),
        ([tensor([4], [1, 1])], {"parameters": {"mode": 1}}),
        ([tensor([5], [1, 1], parameters={"content_type": "np"})], {}),
        ([tensor([6.5], [1, 1], "FP32")], {}),
        ([tensor([7], [1, 1], "INT32")], {}),
        ([tensor(["8"], [1, 1], "BYTES")], {}),
        ([tensor([9, 10], [1, 2])], {}),
        ([tensor([11], [1])], {}),
        ([tensor([12], [1, 1, 1])], {}),
        ([tensor([13], [1, 1])], {"outputs": [{"name": "same"}]}),
        ([{**tensor([14], [1, 1]), "name": "other"}], {}),
        ([tensor([15], [])], {}),
    ]

    for _ in range(3):
        replies = at_once(client, requests)
        assert [reply.code for reply in replies] == ["OK"] * len(requests)
        for (inputs, _), reply in zip(requests, replies, strict=True):
            assert reply.outputs == {inputs[0]["name"]: inputs[0]["data"]}
