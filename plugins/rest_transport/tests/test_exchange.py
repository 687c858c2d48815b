"""One request and its answer on a connection: what the client sees on the wire, and what an app may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from transport_rest.exchange import EXCHANGE, JOINED
from transport_rest.limits import HttpLimits
from transport_rest.protocol import HttpProtocol
from uvicorn import Config
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from transport_rest.asgi import App, Message, Receive, Scope, Send

GET = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Client:
    """A client of one app, on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> bytes:
        """Send bytes, and return what comes until the server closes."""
        self.writer.write(request)
        return await asyncio.wait_for(self.reader.read(), 30)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[App], Any]]:
    """Return a function that serves an app over a real socket, and connects to it."""
    started: list[Any] = []
    state = ServerState()

    async def start(app: App, **limits: Any) -> Client:
        config = Config(app, ws="none", lifespan="off", log_config=None)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: HttpProtocol(
                wants_clients=lambda: True,
                limits=HttpLimits(**limits),
                config=config,
                server_state=state,
                app_state={},
            ),
            "127.0.0.1",
            0,
        )
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        started.append((listener, writer))
        return Client(reader, writer)

    yield start
    for listener, writer in started:
        writer.close()
        listener.close()
    if state.tasks:
        await asyncio.wait(state.tasks)


def answering(*messages: Message) -> App:
    """Return an app that answers everything with these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def head(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, is_more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": is_more}


LENGTH_2 = head((b"content-length", b"2"))


async def test_an_answer_of_known_length_is_sent_as_it_is(connect) -> None:
    client = await connect(answering(LENGTH_2, body(b"o", is_more=True), body(b"k")))

    assert await client.ask(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


async def test_a_large_answer_is_whole(connect) -> None:
    large = bytes(range(256)) * 4096
    client = await connect(answering(head((b"content-length", b"%d" % len(large))), body(memoryview(large))))

    assert (await client.ask(GET)).partition(b"\r\n\r\n")[2] == large


async def test_an_answer_of_unknown_length_is_sent_in_chunks(connect) -> None:
    client = await connect(answering(head(), body(b"one", is_more=True), body(b"", is_more=True), body(b"two")))

    answer = await client.ask(GET)

    assert b"transfer-encoding: chunked\r\n" in answer
    assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_a_client_of_http_1_0_is_sent_no_chunks(connect) -> None:
    client = await connect(answering(head(), body(b"one", is_more=True), body(b"two")))

    answer = await client.ask(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert answer == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_answers_without_a_body_have_none(connect, method, status) -> None:
    client = await connect(answering(head((b"content-length", b"2"), status=status), body(b"ok")))

    answer = await client.ask(GET.replace(b"GET", method))

    assert answer.endswith(b"content-length: 2\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize("pieces", [[body(b"o")], [body(b"long")], [body(b"o", is_more=True), body(b"long")]])
async def test_an_answer_of_another_length_than_it_says_is_cut_off(connect, caplog, pieces) -> None:
    client = await connect(answering(LENGTH_2, *pieces))

    assert len((await client.ask(GET)).partition(b"\r\n\r\n")[2]) < 2
    assert "an answer was not completed" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [body(b"ok")],
        [head((b"x", b"a\r\nset-cookie: b"))],
        [head((b"x: a\r\nset-cookie", b"b"))],
        [head((b"x", b"a\0b"))],
    ],
)
async def test_what_is_no_answer_is_a_500_that_tells_nothing(connect, caplog, messages) -> None:
    client = await connect(answering(*messages))

    answer = await client.ask(GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"the server failed on this request" in answer
    assert b"cookie" not in answer
    assert "request failed" in caplog.text


async def test_two_answers_to_one_request_are_one(connect, caplog) -> None:
    client = await connect(answering(LENGTH_2, body(b"ok"), LENGTH_2, body(b"ok")))

    assert (await client.ask(GET)).count(b"HTTP/1.1") == 1
    assert "the answer is complete already" in caplog.text


async def test_a_client_that_asks_first_is_told_to_go_on(connect) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send(LENGTH_2)
        await send(body(message["body"]))

    client = await connect(app)
    client.writer.write(
        b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )

    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.ask(b"ab")).endswith(b"ab")


async def test_an_app_learns_that_the_client_has_gone_while_it_waits(connect) -> None:
    seen: asyncio.Queue[Message] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            seen.put_nowait(message)
            if message["type"] == "http.disconnect":
                await send(LENGTH_2)  # in vain, but no error
                return

    client = await connect(app)
    client.writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    first = await asyncio.wait_for(seen.get(), 30)
    client.writer.close()

    assert first == {"type": "http.request", "body": b"ab", "more_body": True}
    assert await asyncio.wait_for(seen.get(), 30) == {"type": "http.disconnect"}


async def test_a_connection_that_nobody_uses_is_closed(connect) -> None:
    client = await connect(answering(LENGTH_2, body(b"ok")), idle_timeout=1)
    silent = await connect(answering(), header_timeout=1)

    assert (await client.ask(GET.replace(b"close", b"keep-alive"))).endswith(b"ok")
    assert await silent.ask(b"") == b""


async def test_a_connection_is_not_idle_while_its_request_takes_time(connect) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(1.5, late.set)  # longer than the connection may be idle
        await late.wait()
        await send(LENGTH_2)
        await send(body(b"ok"))

    client = await connect(app, idle_timeout=1)

    assert (await client.ask(GET)).endswith(b"ok")


async def test_an_answer_in_one_step_is_the_same_as_one_in_messages(connect) -> None:
    line = (b"content-type", b"text/plain")

    async def at_once(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[EXCHANGE].answer(b"content-type: text/plain\r\n", b"done")

    async def in_messages(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [line, (b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    first = await (await connect(at_once)).ask(GET)
    second = await (await connect(in_messages)).ask(GET)

    assert first == second
    assert first.endswith(b"connection: close\r\n\r\ndone")


async def test_an_answer_in_one_step_keeps_the_connection(connect) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[EXCHANGE].answer(b"", b"done")

    client = await connect(app)

    answers = await client.ask(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" + GET)

    assert answers.count(b"\r\n\r\ndone") == 2


async def test_a_large_answer_has_to_be_sent_in_messages(connect) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert not scope[EXCHANGE].answer(b"", bytes(JOINED + 1))
        assert scope[EXCHANGE].answer(b"", bytes(JOINED))

    client = await connect(app)

    assert len(await client.ask(GET)) > JOINED


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, then answer."""
    while (await receive()).get("more_body"):
        pass
    await send(LENGTH_2)
    await send(body(b"ok"))


@pytest.mark.parametrize(
    ("begun", "setting"),
    [
        (b"GET /x HTTP/1.1\r\nHo", "header_timeout"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na", "body_timeout"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "body_timeout"),
    ],
)
async def test_b020_a_request_that_does_not_come_to_its_end_is_answered_408(connect, begun, setting) -> None:
    client = await connect(reading, header_timeout=0.5, body_timeout=0.5)

    answer = await client.ask(begun)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert setting in answer.decode()


async def test_b020_a_byte_now_and_then_extends_nothing(connect) -> None:
    client = await connect(reading, header_timeout=0.5)

    async def drip() -> None:
        while True:
            client.writer.write(b"x")
            await asyncio.sleep(0.05)

    client.writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\nX: ")
    dripping = asyncio.create_task(drip())
    answer = await asyncio.wait_for(client.reader.read(), 30)
    dripping.cancel()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_b022_a_client_that_takes_nothing_is_cut_off(connect, caplog) -> None:
    app = answering(head((b"content-length", b"50000000")), body(bytes(50_000_000)))
    client = await connect(app, write_timeout=0.5)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # what a client does that is busy
    client.writer.write(GET)

    async with asyncio.timeout(30):
        while "its client takes nothing" not in caplog.text:
            await asyncio.sleep(0.01)
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(client.reader.readexactly(50_000_000), 30)
