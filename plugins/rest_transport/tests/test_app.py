"""The layers of the app together."""

from __future__ import annotations

import gzip
import json

from mlcore.settings import CorsSettings

PAGE = {"Origin": "https://page.example", "Accept-Encoding": "gzip"}


def test_answers_and_errors_pass_every_layer(serve):
    serving = serve(cors_settings=CorsSettings(allow_origins=["*"]), gzip_min_bytes=1)

    for answer in (
        serving.get("/v2", PAGE),
        serving.get("/v2/nowhere", PAGE),
        serving.get("/v2/models/echo/infer", PAGE),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert json.loads(gzip.decompress(answer.body))


def test_with_debug_each_request_is_one_line_of_log(serve, caplog):
    caplog.set_level("DEBUG", logger="mlcore.rest")
    serving = serve(debug=True)
    serving.get("/v2/models/a%0Ab?x=1")
    serving.ask("echo", "x")
    serving.stop()
    lines = [record for record in caplog.records if record.getMessage() == "request"]

    assert [(line.method, line.path, line.status) for line in lines] == [
        ("GET", "/v2/models/a%0Ab", 404),
        ("POST", "/v2/models/echo/infer", 200),
    ]
    assert all(line.took_ms > 0 for line in lines)


def test_without_debug_no_request_is_logged(serve, caplog):
    caplog.set_level("DEBUG", logger="mlcore.rest")
    serve().get("/v2")

    assert not [record for record in caplog.records if record.name == "mlcore.rest"]
