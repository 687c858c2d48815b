"""The infer routes over real sockets."""

from __future__ import annotations

import http.client
import json

import numpy as np
import pytest

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
BODY = json.dumps(REQUEST).encode()
OCTETS = "application/octet-stream"


def binary(*arrays, **parameters):
    """Return the body and the headers of a request with binary tensors."""
    names = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "uint8": "UINT8"}
    head = json.dumps(
        {
            "parameters": parameters,
            "inputs": [
                {
                    "name": f"x{index}",
                    "datatype": names[str(array.dtype)],
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": array.nbytes},
                }
                for index, array in enumerate(arrays)
            ],
        }
    ).encode()
    body = head + b"".join(array.tobytes() for array in arrays)
    return body, {"Inference-Header-Content-Length": str(len(head)), "Content-Type": OCTETS}


@pytest.mark.parametrize("verb", ["infer", "generate", "infer/", "generate/"])
def test_infer_and_generate_answer_with_and_without_a_slash_at_the_end(rest, verb):
    answer = rest.post(f"/v2/models/echo/{verb}", {"id": "a", **REQUEST})

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {
        "model_name": "echo",
        "id": "a",
        "outputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}],
    }


def test_a_request_without_id_is_given_one(rest):
    first, second = (rest.post("/v2/models/echo/infer", REQUEST).json()["id"] for _ in range(2))

    assert first
    assert first != second


@pytest.mark.parametrize(
    "path", ["/v2/models/e%63ho/infer", "/v2/models/%65%63%68%6f/infer", "/v2/models/echo/%69nfer"]
)
def test_a_path_may_be_percent_encoded(rest, path):
    assert rest.post(path, REQUEST).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/echo%2Finfer",
        "/v2/models/echo%2finfer",
        "/v2/models//infer",
        "/v2/models/echo//infer",
        "/v2/models/echo/infer//",
        "//v2/models/echo/infer",
        "/v2/models/echo/versions//infer",
        "/v2/models/echo/versions/1/2/infer",
        "/v2/models/x/../echo/infer",
        "/v2/models/echo%00/infer",
        "/v2/models/echo%ff/infer",
        "/v2/models/echo;x=1/infer",
        "/v2/models/ECHO/infer",
        "/v2/models/echo/versions/1/infer",
        "/v2/models/echo/infer/more",
        "/v1/models/echo:predict",
    ],
)
def test_no_other_path_reaches_a_model(rest, path):
    answer = rest.post(path, REQUEST)

    assert answer.status == 404
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/v2/models/echo/infer", "/v2/models/nope/versions/1/generate/"])
def test_only_post_is_taken(rest, method, path):
    answer = rest.request(method, path)

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json() == {"error": f"{path} takes POST, not {method}"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"; profile=x',
        OCTETS,
    ],
)
def test_these_content_types_are_json(rest, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}

    assert rest.post("/v2/models/echo/infer", BODY, headers).status == 200


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("application/x-dill", "application/x-dill"),
        ("application/vnd.python+pickle", "application/vnd.python+pickle"),
        ("application/json; charset=utf-16", "utf-16"),
        ("x" * 1000, "'" + "x" * 64 + "'"),
    ],
)
@pytest.mark.parametrize("is_binary", [False, True])
def test_other_content_types_are_415(rest, content_type, shown, is_binary):
    headers = {"Content-Type": content_type}
    if is_binary:
        headers["Inference-Header-Content-Length"] = str(len(BODY))
    answer = rest.post("/v2/models/echo/infer", BODY, headers)

    assert answer.status == 415
    assert answer.json()["error"].startswith("Content-Type: expected ")
    assert shown in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"{}", b"{", BODY + b"x", BODY + BODY, b"\xff\xfe", b"[" * 100_000]
)
def test_bodies_that_are_no_request_are_400(rest, body):
    answer = rest.post("/v2/models/echo/infer", body)

    assert answer.status == 400
    assert list(answer.json()) == ["error"]
    assert answer.headers["Content-Type"] == "application/json"


def test_binary_tensors_come_and_go_as_bytes(rest):
    numbers, more = np.array([[1.5, 2.5, np.nan]], np.float32), np.arange(7)
    answer = rest.post("/v2/models/echo/infer", *binary(numbers, more, binary_data_output=True))

    assert (answer.status, answer.headers["Content-Type"]) == (200, OCTETS)
    length = int(answer.headers["Inference-Header-Content-Length"])
    outputs = json.loads(answer.body[:length])["outputs"]
    assert [output["parameters"] for output in outputs] == [{"binary_data_size": 12}, {"binary_data_size": 56}]
    assert answer.body[length:] == numbers.tobytes() + more.tobytes()


def test_binary_inputs_may_have_json_outputs_and_the_other_way_round(rest):
    numbers = np.array([[1, 2, 3]], np.float32)
    body, headers = binary(numbers)
    in_json = rest.post("/v2/models/echo/infer", body, headers)
    in_binary = rest.post("/v2/models/echo/infer", {**REQUEST, "parameters": {"binary_data_output": True}})

    assert in_json.headers["Content-Type"] == "application/json"
    assert in_json.json()["outputs"][0]["data"] == [1, 2, 3]
    assert in_binary.body.endswith(numbers.tobytes())


@pytest.mark.parametrize("pad", range(9))
def test_binary_arrays_are_aligned_and_a_models_own(rest, pad):
    odd, numbers = np.zeros(pad, np.uint8), np.arange(4, dtype=np.float64)
    body, headers = binary(odd, numbers, padding="x" * pad)
    answer = rest.post("/v2/models/memory/infer", body, headers)

    assert answer.json()["outputs"][0]["data"] == [
        "x0 writable=True aligned=True",
        "x1 writable=True aligned=True",
    ]


def test_large_binary_arrays_are_aligned_and_a_models_own(rest):
    body, headers = binary(np.arange(500_000, dtype=np.float64))
    answer = rest.post("/v2/models/memory/infer", body, headers)

    assert answer.json()["outputs"][0]["data"] == ["x0 writable=True aligned=True"]


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "", "+5", "0x10", "999999999999", "9" * 30, "100000000"])
def test_a_head_length_that_cannot_be_is_400(rest, length):
    answer = rest.post("/v2/models/echo/infer", BODY, {"Inference-Header-Content-Length": length})

    assert answer.status == 400
    assert "Inference-Header-Content-Length" in answer.json()["error"]


def test_a_head_length_of_nothing_needs_a_model_of_one_input(rest):
    answer = rest.post("/v2/models/echo/infer", BODY, {"Inference-Header-Content-Length": "0"})

    assert answer.status == 400
    assert "declares 0" in answer.json()["error"]


def test_two_head_lengths_are_400(rest):
    head = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    lines = b"Inference-Header-Content-Length: 3\r\nInference-Header-Content-Length: 4\r\nContent-Length: 4\r\n\r\n"
    answer = rest.exchange(head + lines + b"{}  ")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"got '3, 4'" in answer


@pytest.mark.parametrize("size", [None, -1, 11, 13, 10**9, "12", 1.5, True])
def test_a_binary_size_that_does_not_fit_is_400(rest, size):
    tensor = {"name": "x", "datatype": "FP32", "shape": [3]}
    if size is not None:
        tensor["parameters"] = {"binary_data_size": size}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = rest.post("/v2/models/echo/infer", head + bytes(12), headers)

    assert answer.status == 400
    assert "inputs[0]" in answer.json()["error"]


def test_bytes_that_are_left_over_are_400(rest):
    body, headers = binary(np.zeros(3, np.float32))
    answer = rest.post("/v2/models/echo/infer", body + b"xx", headers)

    assert answer.status == 400
    assert "14 bytes after its JSON" in answer.json()["error"]


def test_data_and_binary_data_together_are_400(rest):
    tensor = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1], "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [tensor]}).encode()
    answer = rest.post("/v2/models/echo/infer", head + bytes(4), {"Inference-Header-Content-Length": str(len(head))})

    assert answer.status == 400
    assert "both" in answer.json()["error"]


def test_a_model_sees_the_headers_of_the_request_and_sets_those_of_the_answer(rest):
    answer = rest.ask("headers", '{"X-Answer": "yes", "x-number": 5}', {"X-Question": "why?"})

    assert json.loads(answer.json()["outputs"][0]["data"][0])["x-question"] == "why?"
    assert (answer.headers["x-answer"], answer.headers["x-number"]) == ("yes", "5")
    assert "parameters" not in answer.json()


def test_headers_that_a_client_puts_into_parameters_do_not_count(rest):
    request = {
        "parameters": {"headers": "mine"},
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["{}"]}],
    }
    answer = rest.post("/v2/models/headers/infer", request)

    assert json.loads(answer.json()["outputs"][0]["data"][0])["content-type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Split": "a\r\nX-Injected: b"},
        {"X-Split\r\nX-Injected": "b"},
        {"X Space": "b"},
        {"": "b"},
        {"X-Colon:": "b"},
        {"X-Nul": "\0"},
        {"Content-Length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Encoding": "gzip"},
        {"Content-Type": "text/html"},
        {"Connection": "close"},
    ],
)
def test_headers_of_a_model_that_would_break_the_answer_are_left_out(rest, headers):
    answer = rest.ask("headers", json.dumps(headers))

    assert answer.status == 200
    assert answer.json()["model_name"] == "headers"
    assert "X-Injected" not in answer.headers
    assert {name.lower() for name in answer.headers} == {"content-type", "content-length", "date"}


@pytest.mark.parametrize("headers", ["[1]", '"x"', "5"])
def test_headers_of_a_model_that_are_none_are_its_failure(rest, headers):
    answer = rest.ask("headers", headers)

    assert answer.status == 500
    assert "error id" in answer.json()["error"]


def test_headers_of_a_model_may_be_any_text(rest):
    answer = rest.ask("headers", json.dumps({"X-Text": "é€\t"}))

    assert answer.headers["X-Text"].strip() == "é?"


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("wrong", 400, "the input is wrong"),
        ("teapot", 418, "short and stout"),
        ("no status", 500, "an odd status"),
        ("half a character", 400, "?"),
        ("overloaded", 503, "come again"),
    ],
)
def test_what_a_model_raises_on_purpose_is_told(rest, kind, status, error):
    answer = rest.ask("failing", kind)

    assert (answer.status, answer.json()) == (status, {"error": error})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Retry-After"] == ("3" if status == 503 else None)


def test_what_a_model_raises_by_mistake_is_not_told(rest):
    answer = rest.ask("failing", "unforeseen")

    assert answer.status == 500
    assert "error id" in answer.json()["error"]
    for secret in ("secret", "RuntimeError", "Traceback", ".py"):
        assert secret not in answer.body.decode()


def test_a_connection_is_kept_for_the_next_request_after_errors_too(rest):
    connection = http.client.HTTPConnection(rest.host, rest.port, timeout=60)
    statuses = []
    for path, body in (("echo", BODY), ("nope", BODY), ("echo", b"{"), ("echo", BODY)):
        connection.request("POST", f"/v2/models/{path}/infer", body)
        if not statuses:
            first = connection.sock
        with connection.getresponse() as answer:
            answer.read()
            statuses.append(answer.status)
    last = connection.sock
    connection.close()

    assert statuses == [200, 404, 400, 200]
    assert last is first


def test_requests_sent_at_once_are_answered_in_turn(rest):
    def request(name: bytes, *headers: bytes) -> bytes:
        body = BODY.replace(b'"x"', b'"%s"' % name)
        lines = [b"POST /v2/models/echo/infer HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    answers = rest.exchange(request(b"first") + request(b"second") + request(b"third", b"Connection: close"))

    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.index(b'"first"') < answers.index(b'"second"') < answers.index(b'"third"')


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_request_that_is_cut_off_reaches_no_model_and_harms_nobody(rest, caplog, framing):
    head = b"POST /v2/models/failing/infer HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n"
    with rest.connect() as client:
        client.sendall(head + (b"" if b"1000" in framing else b"5\r\n") + b'{"in')

    assert rest.post("/v2/models/echo/infer", REQUEST).status == 200
    assert not caplog.records


def test_a_client_that_goes_before_its_answer_harms_nobody(rest, caplog):
    with rest.connect() as client:
        client.sendall(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        client.sendall(BODY)

    assert rest.post("/v2/models/echo/infer", REQUEST).status == 200
    assert not caplog.records


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v2/models/echo/infer", {"Content-Type": "text/plain"}, 415),
        ("POST", "/v2/models/echo/infer", {"Content-Encoding": "br"}, 415),
        ("POST", "/v2/models/echo/infer", {"Inference-Header-Content-Length": "x"}, 400),
        ("PUT", "/v2/models/echo/infer", {}, 405),
        ("PUT", "/v2/models/echo", {}, 405),
        ("POST", "/v2/nowhere", {}, 404),
        ("POST", "/v2//models", {}, 404),
    ],
)
def test_a_client_that_sends_a_large_body_in_vain_reads_why(rest, method, path, headers, status):
    answer = rest.request(method, path, bytes(5_000_000), {**headers, "Connection": "close"})

    assert answer.status == status


def test_a_request_without_an_id_has_that_of_its_header(serve):
    serving = serve()

    assert serving.ask("echo", "x", {"X-Request-Id": "r-1"}).json()["id"] == "r-1"
    assert serving.ask("echo", "x", {"X-Request-Id": "no id"}).json()["id"] != "no id"
    body = {"id": "own", "inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}]}
    assert serving.post("/v2/models/echo/infer", body, {"X-Request-Id": "r-1"}).json()["id"] == "own"
