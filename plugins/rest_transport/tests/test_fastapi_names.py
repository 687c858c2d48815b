"""Custom handlers that are written with the names of FastAPI, as those who come from it have them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Body, Cookie, Depends, Form, Header, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from mlcore import MLModel, ModelSettings
from mlcore.handlers import custom_handler
from pydantic import BaseModel


class Item(BaseModel):
    name: str


class Coming(MLModel):
    """Came from FastAPI."""

    @custom_handler(rest_path="/total")
    async def total(self, first: int = Body(...), second: int = Body(2)) -> int:
        return first + second

    @custom_handler(rest_path="/embedded")
    async def embedded(self, item: Item = Body(..., embed=True)) -> str:  # noqa: B008
        return item.name

    @custom_handler(rest_path="/parameters/{number}", rest_method="GET")
    async def parameters(
        self,
        number: int = Path(..., ge=1),
        x_token: str = Header(),
        limit: int = Query(3, ge=1, alias="most"),
        short: Annotated[str | None, Query(max_length=3)] = None,
        session: str = Cookie("none"),
    ) -> Any:
        return [number, x_token, limit, short, session]

    @custom_handler(rest_path="/request")
    async def request(self, request: Request) -> Response:
        body = await request.json()
        return Response(
            str(body), status_code=202, headers={"x-own": request.headers["x-sent"]}, media_type="text/plain"
        )

    @custom_handler(rest_path="/json", rest_method="GET")
    def json(self) -> JSONResponse:
        return JSONResponse({"a": 1}, status_code=203)

    @custom_handler(rest_path="/stream", rest_method="GET")
    async def stream(self):  # as users write it
        async def pieces():
            yield "a"
            yield "b"

        return StreamingResponse(pieces(), media_type="text/plain")

    @custom_handler(rest_path="/form")
    def form(self, number: int = Form(...), text: str = Form("x")) -> Any:
        return [number, text]

    @custom_handler(rest_path="/refuse", rest_method="GET")
    def refuse(self) -> None:
        raise HTTPException(status_code=422, detail="no good", headers={"X-Why": "so"})


class Depending(MLModel):
    """Has what there is not."""

    @custom_handler(rest_path="/depends", rest_method="GET")
    def depends(self, other: int = Depends(lambda: 1)) -> int:
        return other


@pytest.fixture(scope="module")
def coming(serving_of):
    """Return a server with such models."""
    kinds = {"coming": Coming, "depending": Depending}
    with serving_of(*(ModelSettings(name=name, implementation=kind) for name, kind in kinds.items())) as serving:
        yield serving


def test_markers_say_where_arguments_come_from(coming):
    assert coming.post("/total", {"first": 1}).json() == 3
    assert coming.post("/embedded", {"item": {"name": "tea"}}).json() == "tea"
    headers = {"X-Token": "t", "Cookie": "session=s"}
    assert coming.get("/parameters/1?most=4&short=ab", headers).json() == [1, "t", 4, "ab", "s"]
    assert coming.get("/parameters/1", {"X-Token": "t"}).json() == [1, "t", 3, None, "none"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert coming.post("/form", b"number=1", form).json() == [1, "x"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/parameters/0", "number: expected `int` >= 1"),
        ("/parameters/1?most=0", "most: expected `int` >= 1"),
        ("/parameters/1?short=abcd", "short: expected `str` of length <= 3"),
    ],
)
def test_their_rules_hold_and_errors_name_what_the_client_knows(coming, path, told):
    answer = coming.get(path, {"X-Token": "t"})

    assert (answer.status, answer.json()) == (400, {"error": told})


def test_a_header_that_is_missing_is_named(coming):
    assert coming.get("/parameters/1").json() == {"error": "x-token: missing; it is a header parameter"}


def test_requests_and_responses_are_theirs(coming):
    answer = coming.post("/request", {"k": 1}, {"X-Sent": "yes"})
    assert (answer.status, answer.body, answer.headers["X-Own"]) == (202, b"{'k': 1}", "yes")
    answer = coming.get("/json")
    assert (answer.status, answer.json()) == (203, {"a": 1})
    assert coming.get("/stream").body == b"ab"


def test_their_exception_is_an_error_like_ours(coming):
    answer = coming.get("/refuse")

    assert (answer.status, answer.json(), answer.headers["X-Why"]) == (422, {"error": "no good"}, "so")


def test_what_there_is_not_is_an_error_of_the_load(coming):
    reasons = {item["name"]: item["reason"] for item in coming.post("/v2/repository/index").json()}

    told = "custom handler 'depends': argument 'other': Depends() of FastAPI is not offered; call the function"
    assert reasons["depending"].startswith(told)
