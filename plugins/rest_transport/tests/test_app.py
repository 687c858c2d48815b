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
