"""Custom handlers over real sockets: what they take, what they answer, and what a client is told that got it wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003  # handlers are read by their annotations
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest
from litestar import Request, Response
from litestar.datastructures import UploadFile  # noqa: TC002  # handlers are read by their annotations
from litestar.exceptions import HTTPException
from litestar.params import BodyKwarg, FromHeader, FromQuery, QueryParameter
from litestar.response import Stream
from mlcore import MLModel, ModelSettings
from mlcore.codecs import NumpyCodec
from mlcore.errors import InferenceError, MLCoreError, OverloadedError
from mlcore.handlers import custom_handler
from mlcore.types import InferenceRequest, InferenceResponse  # noqa: TC002  # handlers are read by their annotations
from pydantic import BaseModel, Field

V2 = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}


class Item(BaseModel):
    name: str
    price: float = Field(ge=0)


class Point(msgspec.Struct):
    x: int
    y: int = 0


@dataclass
class Sum:
    total: float
    count: int


class Colour(Enum):
    RED = "red"


class Handling(MLModel):
    """Has a custom handler for each thing that one can take or give."""

    @custom_handler(rest_path="/total")
    async def total(self, payload: list[float]) -> float:
        """Add numbers up.

        All of them.
        """
        return sum(payload)

    @custom_handler(rest_path="/sum")
    def sum(self, numbers: list[float]) -> Sum:
        return Sum(sum(numbers), len(numbers))

    @custom_handler(rest_path="/who", rest_method="GET")
    async def who(self) -> str:
        return self.name

    @custom_handler(rest_path="/nothing", rest_method="GET")
    async def nothing(self) -> None:
        pass

    @custom_handler(rest_path="/items/{item_id}", rest_method="GET")
    def item(self, item_id: int, colour: Colour | None = None, tags: list[str] = [], day: date | None = None) -> Any:  # noqa: B006
        tags.append("own")
        return {"item_id": item_id, "colour": colour, "tags": tags, "day": day}

    @custom_handler(rest_path="/files/{file:path}", rest_method="GET")
    def file(self, file: str) -> str:
        return file

    @custom_handler(rest_path="/priced")
    def priced(self, item: Item) -> Item:
        return item

    @custom_handler(rest_path="/point", rest_method="patch")
    def point(self, data: Annotated[Point, BodyKwarg()]) -> Point:
        return data

    @custom_handler(rest_path="/several", rest_method="PUT")
    def several(self, item: Item, point: Point, kind: Literal["a", "b"] = "a", more: list[int] = []) -> Any:  # noqa: B006
        return [item.name, point.x, kind, more]

    @custom_handler(rest_path="/headers", rest_method="GET")
    def headers(self, x_token: FromHeader[str], headers: dict[str, str], limit: FromQuery[int] = 3) -> Any:
        return [x_token, headers["x-token"], limit]

    @custom_handler(rest_path="/limited", rest_method="GET")
    def limited(self, query: Annotated[int, QueryParameter(name="q", ge=1)]) -> int:
        return query

    @custom_handler(rest_path="/upload")
    async def upload(self, file: UploadFile, note: str = "none") -> Any:
        return [file.filename, (await file.read()).decode(), note]

    @custom_handler(rest_path="/raw")
    async def raw(self, request: Request[Any, Any, Any], raw: bytes) -> Response[bytes]:
        assert await request.body() == raw
        return Response(raw, status_code=201, headers={"X-Own": "yes", "Connection": "close"}, media_type="text/plain")

    @custom_handler(rest_path="/bytes", rest_method="GET")
    def bytes(self) -> bytes:
        return b"\x00\x01"

    @custom_handler(rest_path="/arrays", rest_method="GET")
    def arrays(self):  # as users write it
        return {"array": np.arange(3), "number": np.float32(2)}

    @custom_handler(rest_path="/message")
    async def message(self, request: InferenceRequest) -> InferenceResponse:
        return self.encode_response(self.decode(request.inputs[0], NumpyCodec) * 2)

    @custom_handler(rest_path="/stream", rest_method="GET")
    def stream(self, count: int, fails: bool = False) -> Stream:
        async def pieces():
            for number in range(count):
                yield f"{number}\n"
            if fails:
                raise RuntimeError("half way")

        return Stream(pieces(), media_type="text/plain")

    @custom_handler(rest_path="/twice", rest_method="GET")
    @custom_handler(rest_path="/again", rest_method="GET")
    def twice(self) -> int:
        return 2

    @custom_handler(rest_path="/ready", rest_method="GET")
    def ready_too(self) -> str:
        return "of the model"

    @custom_handler(rest_path="/raises", rest_method="GET")
    def raises(self, what: str) -> None:
        raise {
            "wrong": InferenceError("what: it is wrong"),
            "teapot": MLCoreError("short and stout", status_code=418),
            "http": HTTPException(status_code=409, detail="a conflict", headers={"X-Why": "so"}),
            "overloaded": OverloadedError("come again", retry_after_s=7),
            "unforeseen": RuntimeError("/secret/path"),
            "exit": SystemExit(3),
        }[what]

    @custom_handler(rest_path="/unwritable", rest_method="GET")
    def unwritable(self) -> Any:
        return object()

    @custom_handler(rest_path="/injected", rest_method="GET")
    def injected(self) -> Response[None]:
        return Response(None, headers={"X-Bad": "a\r\nSet-Cookie: b", "X-Good": "c"})


class Other(MLModel):
    """Has a path of another one, with another method."""

    @custom_handler(rest_path="/total", rest_method="GET")
    def total(self) -> str:
        return "nothing"


class Taking(MLModel):
    """Takes a path of the server."""

    @custom_handler(rest_path="/v2/health/{kind}", rest_method="GET")
    def health(self, kind: str) -> str:
        return kind


def settings_of(kind, **parameters):
    return ModelSettings(name=kind.__name__.lower(), implementation=kind, parameters=parameters)


@pytest.fixture(scope="module")
def handling(serving_of):
    """Return a server with custom handlers, and a model that comes too late for its path."""
    with serving_of(settings_of(Handling), settings_of(Other), settings_of(Taking)) as serving:
        yield serving


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/total", [1, 2, 3.5], 6.5),
        ("POST", "/total/", [1, 2, 3.5], 6.5),
        ("GET", "/total", None, "nothing"),
        ("POST", "/v2/models/handling/total", [1], 1.0),
        ("GET", "/v2/models/other/total", None, "nothing"),
        ("POST", "/sum", [1, 2], {"total": 3.0, "count": 2}),
        ("GET", "/who", None, "handling"),
        ("GET", "/nothing", None, None),
        ("GET", "/items/5", None, {"item_id": 5, "colour": None, "tags": ["own"], "day": None}),
        (
            "GET",
            "/v2/models/handling/items/7?colour=red&tags=a&tags=b&day=2026-01-31",
            None,
            {"item_id": 7, "colour": "red", "tags": ["a", "b", "own"], "day": "2026-01-31"},
        ),
        ("GET", "/files/a/b.txt", None, "/a/b.txt"),
        ("POST", "/priced", {"name": "tea", "price": 2}, {"name": "tea", "price": 2.0}),
        ("PATCH", "/point", {"x": 1}, {"x": 1, "y": 0}),
        ("PUT", "/several", {"item": {"name": "a", "price": 1}, "point": {"x": 2}}, ["a", 2, "a", []]),
        (
            "PUT",
            "/several?kind=b",
            {"item": {"name": "a", "price": 1}, "point": {"x": 2}, "more": [1]},
            ["a", 2, "b", [1]],
        ),
        ("GET", "/limited?q=4", None, 4),
        ("GET", "/arrays", None, {"array": [0, 1, 2], "number": 2.0}),
        ("GET", "/twice", None, 2),
        ("GET", "/again", None, 2),
        ("GET", "/ready", None, "of the model"),
    ],
)
def test_arguments_and_results_are_what_their_types_say(handling, method, path, body, expected):
    for _ in range(2):
        answer = handling.request(method, path, body)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
        assert answer.json() == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/total", ["a"], "the body: expected `float`, got `str`"),
        ("POST", "/total", {"a": 1}, "the body: expected `array`, got `object`"),
        ("POST", "/total", b"[1", "the body: "),
        ("POST", "/total", b"", "the body: missing"),
        ("GET", "/items/five", None, "item_id: expected `int`, got `str`"),
        ("GET", "/items/5?colour=blue", None, "colour: "),
        ("GET", "/limited", None, "q: missing; it is a query parameter"),
        ("GET", "/limited?q=0", None, "q: expected `int` >= 1"),
        ("POST", "/priced", {"name": "tea", "price": -1}, "price: input should be greater than or equal to 0"),
        ("PATCH", "/point", {"x": "1.5"}, "x: expected `int`, got `str`"),
        ("PUT", "/several", {"item": {"name": "a", "price": 1}}, "point"),
        ("POST", "/message", {**V2, "inputs": [{**V2["inputs"][0], "shape": [3]}]}, "inputs[0].data: the shape [3]"),
        ("GET", "/raises?what=wrong", None, "what: it is wrong"),
    ],
)
def test_a_mistake_of_the_client_is_400_with_the_field(handling, method, path, body, told):
    answer = handling.request(method, path, body)

    assert answer.status == 400, answer.body
    assert list(answer.json()) == ["error"]
    assert told in answer.json()["error"]


def test_a_handler_answers_as_a_response_says(handling):
    answer = handling.post("/raw", b"\x01\x02", {"Content-Encoding": "identity"})

    assert (answer.status, answer.body) == (201, b"\x01\x02")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (answer.headers["X-Own"], answer.headers["Connection"]) == ("yes", None)
    assert handling.get("/bytes").headers["Content-Type"] == "application/octet-stream"


def test_a_header_cannot_end_the_headers(handling):
    answer = handling.get("/injected")

    assert (answer.status, answer.headers["X-Good"]) == (200, "c")
    assert answer.headers["X-Bad"] is None
    assert answer.headers["Set-Cookie"] is None


def test_headers_are_arguments_too(handling):
    assert handling.get("/headers", {"X-Token": "t"}).json() == ["t", "t", 3]
    answer = handling.get("/headers?limit=4")
    assert (answer.status, "x-token" in answer.json()["error"]) == (400, True)


def test_a_form_with_a_file_is_read(handling):
    lines = ["--b", 'Content-Disposition: form-data; name="file"; filename="a.txt"', "", "text", "--b--", ""]
    body = "\r\n".join(lines).encode()

    answer = handling.post("/upload?note=n", body, {"Content-Type": "multipart/form-data; boundary=b"})

    assert answer.json() == ["a.txt", "text", "n"]


def test_messages_of_the_protocol_are_read_and_written_as_by_infer(handling):
    answer = handling.post("/message", V2).json()

    assert answer["model_name"] == "handling"
    assert answer["outputs"][0]["data"] == [2.0, 4.0]


def test_a_handler_may_answer_piece_by_piece(handling):
    answer = handling.get("/stream?count=40")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body.decode().split() == [str(number) for number in range(40)]


def test_an_answer_that_breaks_off_does_not_look_whole(handling):
    with handling.connect() as client:
        client.sendall(b"GET /stream?count=3&fails=true HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while True:
            try:
                piece = client.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            received += piece

    assert b"200 OK" in received
    assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("what", "status", "told"),
    [("teapot", 418, "short and stout"), ("http", 409, "a conflict"), ("overloaded", 503, "come again")],
)
def test_a_handler_chooses_its_error(handling, what, status, told):
    answer = handling.get(f"/raises?what={what}")

    assert (answer.status, answer.json()) == (status, {"error": told})
    assert answer.headers["Retry-After"] == ("7" if what == "overloaded" else None)
    assert answer.headers["X-Why"] == ("so" if what == "http" else None)


@pytest.mark.parametrize("path", ["/raises?what=unforeseen", "/raises?what=exit", "/unwritable"])
def test_an_error_that_nobody_foresaw_is_500_and_tells_no_more_than_its_id(handling, path):
    answer = handling.get(path)

    assert answer.status == 500
    assert "error id" in answer.json()["error"]
    assert "secret" not in answer.body.decode()


def test_a_wrong_method_is_405_and_head_is_get(handling):
    answer = handling.request("DELETE", "/total")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    answer = handling.request("HEAD", "/who")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "10", b"")


def test_a_path_of_the_server_stays_the_servers(handling):
    assert handling.get("/v2/models/handling/ready").json() == {"name": "handling", "ready": True}
    reasons = {item["name"]: item["reason"] for item in handling.post("/v2/repository/index").json()}
    assert reasons["taking"].startswith("custom handler 'health': GET /v2/health/{kind} is a path of the server")


def test_what_is_too_large_is_413(serve):
    serving = serve(settings_of(Handling), max_body_bytes=100)

    assert serving.post("/total", [1] * 200).status == 413
    assert serving.post("/total", [1]).json() == 1.0
