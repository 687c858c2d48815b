"""The documentation page: Swagger UI from its package, so that nothing comes from another host."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path

from litestar import Response

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{root}v2/docs/static/swagger-ui.css">
<link rel="stylesheet" href="{root}v2/docs/static/page.css">
<link rel="icon" type="image/png" href="{root}v2/docs/static/favicon-32x32.png">
</head>
<body lang="en">
<div id="swagger-ui" data-root="{root}" data-document="{document}"></div>
<script src="{root}v2/docs/static/swagger-ui-bundle.js"></script>
<script src="{root}v2/docs/static/page.js"></script>
</body>
</html>
"""

# Where the document names no server, requests and links go to where the page came from, whatever prefix a proxy puts
# before it. A model's page opens with what one does with a model.
_SCRIPT = b"""const place = document.getElementById("swagger-ui");
const root = new URL(place.dataset.root, location.href).pathname.replace(/\\/$/, "");
fetch(place.dataset.document)
  .then((response) => response.json())
  .then((spec) => {
    spec.servers ??= [{ url: root || "/" }];
    spec.info.description = spec.info.description.replaceAll("](/", `](${root}/`);
    const ui = SwaggerUIBundle({
      spec,
      domNode: place,
      deepLinking: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
      validatorUrl: null,
      onComplete: () => {
        if (!("/v2" in spec.paths)) ui.layoutActions.show(["operations", "Inference", "infer"], true);
      },
    });
  });
"""

_STYLE = b""".swagger-ui .info { margin: 24px 0 12px; }
.swagger-ui .info table { width: auto; }
.swagger-ui .info table td, .swagger-ui .info table th { padding: 4px 32px 4px 0; vertical-align: baseline; }
.swagger-ui .scheme-container { display: none; }
"""

_OWN = {"page.js": _SCRIPT, "page.css": _STYLE}

_HEADERS = {
    # Nothing but this server's own files; Swagger UI sets styles and draws its icons inline.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def page(title: str, path: bytes) -> Response[bytes]:
    """Return the page, whose links are relative, so that it works under any prefix of a proxy.

    Args:
        title: The page's title.
        path: Where the client asked for it, perhaps with a slash at the end.
    """
    is_folder = path.endswith(b"/")
    text = _PAGE.format(
        title=html.escape(title),
        root="../" * (path.count(b"/") - 1),
        document="dataplane.json" if is_folder else "docs/dataplane.json",
    )
    return Response(text.encode(), media_type="text/html", headers=_HEADERS)


def static(file: str) -> Response[bytes] | None:
    """Return one of the page's files, or `None` if it has no such file."""
    body = _OWN.get(file) or (_packaged(file) if file in _FILES else None)
    if body is None:
        return None
    headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type=_MEDIA_TYPES[Path(file).suffix], headers=headers)


@cache
def _packaged(file: str) -> bytes:
    from swagger_ui_bundle import swagger_ui_path

    return (Path(swagger_ui_path) / file).read_bytes()
