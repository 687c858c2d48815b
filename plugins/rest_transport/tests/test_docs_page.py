"""The documentation page, as a browser shows it."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from mlcore import MLModel, ModelSettings

SHOWN = "document.querySelector('.swagger-ui .info')?.innerText"


class Silent(MLModel):
    """Says nothing."""


class Broken(MLModel):
    """Is never ready."""

    def load(self) -> bool:
        return False


async def executed(page):
    """Click on "Execute" in the operation that is open, and return the status that the page then shows."""
    await page.wait_for("document.querySelector('.opblock.is-open .body-param__text')?.value.includes('inputs')")
    await page.value("document.querySelector('.opblock.is-open .execute').click()")
    shown = ".live-responses-table tbody .response-col_status"
    return await page.wait_for(f"document.querySelector('{shown}')?.innerText")


def settings(name, kind, **more):
    return ModelSettings(name=name, implementation=kind, **more)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_models_page_shows_its_infer_operation_and_asks_no_other_host(rest, page, slash):
    await page.open(f"{rest.url}/v2/models/declared/docs{slash}")
    shown = await page.wait_for(SHOWN)
    opened = await page.wait_for("document.querySelector('.opblock.is-open .opblock-summary')?.innerText")

    assert "Data Plane for Model declared" in shown
    assert re.search(r"input\s+words\s+BYTES\s+\[-1, 1\]\s+str", shown)
    assert re.search(r"output\s+numbers\s+FP32\s+\[-1, 3\]", shown)
    assert opened.split("\n")[:2] == ["POST", "/v2/models/declared/infer"]
    assert not page.errors
    assert page.requests
    assert all(request.startswith((rest.url, "data:")) for request in page.requests)


async def test_the_example_on_a_models_page_is_answered(rest, page):
    await page.open(f"{rest.url}/v2/models/declared/docs")
    status = await executed(page)
    answer = await page.value("document.querySelector('.live-responses-table .microlight').innerText")

    assert status.startswith("200")
    assert '"model_name": "declared"' in answer


async def test_the_whole_page_shows_every_operation_and_links_to_the_models(rest, page):
    await page.open(f"{rest.url}/v2/docs")
    await page.wait_for(SHOWN)
    shown = await page.value("[...document.querySelectorAll('.opblock-summary-path')].map((e) => e.innerText)")
    links = await page.value("[...document.querySelectorAll('.info a')].map((e) => e.href)")

    described = rest.get("/v2/docs/dataplane.json").json()["paths"]
    assert sorted(path.replace("\u200b", "") for path in shown) == sorted(described)
    assert f"{rest.url}/v2/models/echo/docs" in links
    assert all(rest.get(link.removeprefix(rest.url)).status == 200 for link in links)
    assert not page.errors


async def test_the_page_works_under_a_prefix_that_a_proxy_takes_away(rest, prefixed, page):
    await page.open(f"{prefixed}/some/where/v2/models/declared/docs")
    status = await executed(page)

    assert status.startswith("200")
    assert not page.errors
    assert all(request.startswith((f"{prefixed}/some/where/", "data:")) for request in page.requests)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/docs",
        "/v2/docs/",
        "/v2/models/echo/docs",
        "/v2/models/echo/docs/",
        "/v2/models/versioned/versions/v1/docs",
        "/v2/models/versioned/versions/v1/docs/",
    ],
)
def test_whatever_a_page_refers_to_is_there(serve, path):
    serving = serve(settings("echo", Silent), settings("versioned", Silent, parameters={"version": "v1"}))
    page = serving.get(path)
    references = re.findall(r'(?:href|src|data-document)="([^"]+)"', page.body.decode())

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert len(references) == 6
    for reference in references:
        assert serving.get(urljoin(path, reference)).status == 200
    assert urljoin(path, re.search(r'data-root="([^"]+)"', page.body.decode())[1]) == "/"


@pytest.mark.parametrize("file", ["nope.js", "swagger-ui.js", "..%2Fpage.js", "%2e%2e", "page.js%00", "page.css.map"])
def test_no_other_file_is_there(rest, file):
    assert rest.get(f"/v2/docs/static/{file}").status == 404


def test_files_may_be_cached_and_are_what_they_say(rest):
    for file, media_type in (
        ("page.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("favicon-32x32.png", "image/png"),
    ):
        answer = rest.get(f"/v2/docs/static/{file}")
        assert answer.headers["Content-Type"].split(";")[0] == media_type
        assert answer.headers["Cache-Control"] == "public, max-age=86400"


def test_a_model_that_is_unknown_or_not_ready_has_no_page(serve):
    serving = serve(settings("broken", Broken), settings("good", Silent))

    for path, status in (("nope", 404), ("broken", 503), ("good/versions/1", 404)):
        for document in ("docs", "docs/dataplane.json"):
            answer = serving.get(f"/v2/models/{path}/{document}")
            assert (answer.status, list(answer.json())) == (status, ["error"])


def test_a_models_name_is_text_on_its_page(serve):
    name = "<img src=x onerror=alert(1)>&\"'"
    serving = serve(settings(name, Silent))
    page = serving.get("/v2/models/%3Cimg%20src=x%20onerror=alert(1)%3E&%22'/docs")

    assert page.status == 200
    assert b"<img" not in page.body
