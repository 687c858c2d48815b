"""What is asked again and what is not: against a server that answers what the test wants."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme
from command_infer import asking

ANSWER = (200, {}, {"model_name": "twice", "outputs": []})
READY = (200, {}, {"ready": True})
LOST = None


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Wait no longer than a moment where nobody says how long."""
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)


@asynccontextmanager
async def scripted(*answers, ready=READY, tls=None):
    """Serve these answers to infer requests, one after the other and then the last; yield the address and requests."""
    asked = []
    left = list(answers)

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                text = head.decode()
                length = next((int(h.split(":")[1]) for h in text.lower().split("\r\n") if "content-length" in h), 0)
                body = await reader.readexactly(length)
                answer = ready
                if text.startswith("POST"):
                    asked.append((text, body))
                    answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is LOST:
                    break
                status, headers, plain = answer
                content = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
                lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def error(status, text="no", **headers):
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, {"error": text}


@pytest.mark.parametrize(
    "first",
    [
        LOST,
        error(503),
        error(503, Retry_After="0"),
        error(503, Retry_After=format_datetime(datetime.now(UTC) - timedelta(days=1))),
        error(503, Retry_After="soon"),
        error(429, Retry_After="0"),
        (502, {}, b"<html>bad gateway</html>"),
    ],
    ids=["lost", "503", "503 after", "503 date", "503 word", "429", "502"],
)
async def test_what_may_pass_is_asked_again(infer, numbers, first):
    async with scripted(first, first, ANSWER) as (url, asked):
        done = await infer([numbers(1)], "-u", url, "-v")

    assert (done.code, len(asked)) == (0, 3)
    assert done.lines == [{"model_name": "twice", "outputs": [], "parameters": {"batch_index": 0}}]
    assert done.said.count("; again in ") == 2


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (error(400), "invalid_argument", "no"),
        (error(404), "not_found", "no"),
        (error(413), "payload_too_large", "no"),
        (error(418), "invalid_argument", "HTTP 418: no"),
        (error(500), "internal", "no"),
        (error(504), "deadline_exceeded", "no"),
        (error(503, Retry_After="3600"), "unavailable", "no"),
        ((422, {}, {"detail": [{"loc": ["inputs"]}]}), "invalid_argument", 'HTTP 422: [{"loc":["inputs"]}]'),
        ((400, {}, b"plain words"), "invalid_argument", "plain words"),
        ((400, {}, b""), "invalid_argument", "the server gave no reason"),
        ((400, {}, [1]), "invalid_argument", "[1]"),
        ((200, {}, b"<html>"), "internal", "the server's answer is not JSON"),
        ((200, {}, {"x": 1}), "internal", "the server's answer has no outputs"),
        ((200, {"Inference-Header-Content-Length": "x"}, b"{}"), "invalid_argument", "not a valid response"),
    ],
)
async def test_what_will_not_pass_is_asked_once(infer, numbers, answer, status, message):
    async with scripted(answer) as (url, asked):
        done = await infer([numbers(1)], "-u", url)

    assert (done.code, len(asked)) == (1, 1)
    assert done.lines[0]["error"]["status"] == status
    assert done.lines[0]["error"]["msg"].startswith(message)


@pytest.mark.parametrize(("answer", "message"), [(LOST, "was lost"), (error(503, "busy"), "busy")])
async def test_what_does_not_pass_is_an_error_after_as_many_retries_as_given(infer, numbers, answer, message):
    async with scripted(answer) as (url, asked):
        done = await infer([numbers(1)], "-u", url, "-r", "2")

    assert (done.code, len(asked)) == (1, 3)
    assert done.lines[0]["error"]["status"] == "unavailable"
    assert message in done.lines[0]["error"]["msg"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (error(401, "who?"), "who?"),
        (error(403, "not you"), "not you"),
        ((307, {"Location": "http://elsewhere"}, b""), "give that address to --url"),
    ],
)
async def test_what_concerns_every_line_stops_the_run_before_it_spoils_the_output(infer, numbers, answer, message):
    async with scripted(ANSWER, answer) as (url, _):
        done = await infer([numbers(index) for index in range(5)], "-u", url, "-w", "1")

    assert (done.code, len(done.lines)) == (2, 1)
    assert message in done.said
    assert "the same command with --resume goes on from here" in done.said


async def test_a_model_that_is_not_ready_yet_is_waited_for_and_then_given_up(infer, numbers):
    async with scripted(ANSWER, ready=error(503, "loading")) as (url, asked):
        done = await infer([numbers(1)], "-u", url, "-r", "1", "-v")

    assert (done.code, done.lines, asked) == (2, [], [])
    assert "loading; again in " in done.said
    assert "mlcore: error: loading\n" in done.said


async def test_an_answer_that_takes_too_long_is_an_error_and_not_asked_for_again(infer, numbers):
    held = asyncio.Event()

    async def hold(reader, writer):
        line = await reader.readline()
        if line.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            await held.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    done = await infer([numbers(1)], "-u", url, "--timeout", "0.5")
    held.set()
    server.close()

    assert done.code in (1, 2)  # on a machine that stands still, the question whether the model is ready takes too long
    assert "no answer within 0.5 s" in (done.lines[0]["error"]["msg"] if done.lines else done.said)


@pytest.mark.parametrize("transport", ["rest", "grpc"])
async def test_a_model_that_is_not_available_is_asked_again_over_both_transports(served, infer, numbers, transport):
    done = await infer([numbers(503)], "-u", getattr(served, transport), "-v")

    assert (done.code, done.lines[0]["outputs"][0]["data"]) == (0, [1006])
    assert done.said.count("come again; again in 0.") == 2


async def test_a_grpc_server_that_hangs_up_is_tried_again_and_then_given_up(infer, numbers):
    async with scripted(LOST, ready=LOST) as (url, _):
        done = await infer([numbers(1)], "-u", url.replace("http", "grpc"), "-r", "1", "-v", "--timeout", "20")

    assert (done.code, done.lines) == (2, [])
    assert done.said.count("; again in ") == 1


async def test_a_certificate_is_checked_unless_the_user_says_no(infer, numbers, monkeypatch, tmp_path):
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    async with scripted(ANSWER, tls=tls) as (url, asked):
        refused = await infer([numbers(1)], "-u", url)
        careless = await infer([numbers(1)], "-u", url, "--insecure")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        trusted = await infer([numbers(1)], "-u", url)

    assert (refused.code, refused.lines) == (2, [])
    assert "mlcore: error: no encrypted connection to https://127.0.0.1" in refused.said
    assert (careless.code, trusted.code, len(asked)) == (0, 0, 2)


async def test_a_request_is_sent_as_it_stands_in_the_file_with_the_headers_that_were_given(infer, numbers):
    line = json.dumps(numbers(1, id="mine"), indent=None, separators=(" ,", " : "))
    async with scripted(ANSWER) as (url, asked):
        await infer([line], "-u", url + "/prefix/v2/", "-H", "Authorization: Bearer x:y", "--model-version", "3")

    head, body = asked[0]
    assert head.startswith("POST /prefix/v2/models/twice/versions/3/infer HTTP/1.1\r\n")
    assert "Authorization: Bearer x:y\r\n" in head
    assert "X-Request-Id: mine\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    assert body == line.encode()


async def test_json_over_several_lines_becomes_one(infer, numbers):
    pretty = json.dumps(ANSWER[2], indent=2).replace("\n", "\r\n").encode()
    async with scripted((200, {}, pretty)) as (url, _):
        done = await infer([numbers(1)], "-u", url)

    assert done.lines == [{"model_name": "twice", "outputs": [], "parameters": {"batch_index": 0}}]
