"""The documentation page: Swagger UI from its package, so that nothing comes from another host."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path

from litestar import Response

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{static}/swagger-ui.css">
<link rel="icon" type="image/png" href="{static}/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui" data-url="docs/dataplane.json"></div>
<script src="{static}/swagger-ui-bundle.js"></script>
<script src="{static}/start.js"></script>
</body>
</html>
"""

_START = b"""const place = document.getElementById("swagger-ui");
SwaggerUIBundle({url: place.dataset.url, domNode: place, deepLinking: true, tryItOutEnabled: true, validatorUrl: null});
"""

# Nothing but this server's own files; Swagger UI sets styles and draws its icons inline.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def page(title: str, depth: int) -> Response[bytes]:
    """Return the page, whose links are relative, so that it works under any prefix of a proxy.

    Args:
        title: The page's title.
        depth: How many path segments under `/v2/` the page itself has.
    """
    static = "../" * (depth - 1) + "docs/static"
    text = _PAGE.format(title=html.escape(title), static=static)
    return Response(text.encode(), media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def static(file: str) -> Response[bytes] | None:
    """Return one of the page's files, or `None` if it has no such file."""
    body = _START if file == "start.js" else _packaged(file) if file in _FILES else None
    if body is None:
        return None
    return Response(
        body, media_type=_MEDIA_TYPES[Path(file).suffix], headers={"Cache-Control": "public, max-age=86400"}
    )


@cache
def _packaged(file: str) -> bytes:
    from swagger_ui_bundle import swagger_ui_path

    return (Path(swagger_ui_path) / file).read_bytes()
