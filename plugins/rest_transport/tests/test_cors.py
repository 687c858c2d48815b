"""CORS, on every route."""

from __future__ import annotations

import pytest
from mlcore.settings import CorsSettings

PAGE = "https://page.example"
OTHER = "https://other.example"
PATHS = ["/v2/health/live", "/v2/models/echo/infer", "/v2/repository/index", "/v2/nowhere"]


@pytest.fixture
def serving(serve):
    return serve(
        cors_settings=CorsSettings(
            allow_origins=[PAGE],
            allow_origin_regex=r"https://.*\.inside\.example",
            allow_methods=["GET", "POST"],
            allow_headers=["X-Token"],
            expose_headers=["X-Answer"],
            max_age=99,
        )
    )


def preflight(serving, path, origin, **headers):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}
    return serving.request("OPTIONS", path, headers=asked)


def allowed(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control")}


@pytest.mark.parametrize("path", PATHS)
def test_without_the_setting_no_page_is_allowed_anything(rest, path):
    for answer in (rest.get(path, {"Origin": PAGE}), preflight(rest, path, PAGE)):
        assert not allowed(answer)


def test_a_preflight_is_answered_on_every_route_for_allowed_origins_only(serving):
    for path in PATHS:
        answer = preflight(serving, path, PAGE)
        assert (answer.status, answer.body) == (204, b"")
        assert allowed(answer) == {
            "access-control-allow-origin": PAGE,
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "Accept, Accept-Language, Content-Language, Content-Type, x-token",
            "access-control-max-age": "99",
        }
        refused = preflight(serving, path, OTHER)
        assert (refused.status, list(refused.json())) == (403, ["error"])
        assert not allowed(refused)


def test_answers_and_errors_are_readable_for_allowed_origins_only(serving):
    for path in PATHS:
        for origin, values in ((PAGE, [PAGE, "X-Answer"]), (OTHER, []), ("null", []), (PAGE + ".evil", [])):
            answer = serving.post(path, b"{}", {"Origin": origin})
            assert sorted(allowed(answer).values()) == sorted(values)


@pytest.mark.parametrize("origin", ["https://a.inside.example", "https://b.c.inside.example"])
def test_origins_may_be_given_as_a_pattern(serving, origin):
    assert allowed(serving.get("/v2", {"Origin": origin}))["access-control-allow-origin"] == origin


def test_caches_are_told_that_the_answer_depends_on_the_origin(serving):
    for headers in ({}, {"Origin": PAGE}, {"Origin": OTHER}):
        assert serving.get("/v2", headers).headers["Vary"] == "Origin"


def test_all_origins_and_headers_may_be_allowed(serve):
    serving = serve(cors_settings=CorsSettings(allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]))
    answer = preflight(
        serving, "/v2/models/echo/infer", OTHER, **{"Access-Control-Request-Headers": "x-a,content-type"}
    )

    assert allowed(answer)["access-control-allow-origin"] == "*"
    assert allowed(answer)["access-control-allow-headers"] == "x-a,content-type"
    assert "POST" in allowed(answer)["access-control-allow-methods"]
    assert allowed(serving.get("/v2", {"Origin": OTHER})) == {"access-control-allow-origin": "*"}


def test_with_credentials_the_origin_is_named(serve):
    serving = serve(cors_settings=CorsSettings(allow_origins=["*"], allow_credentials=True))
    answer = serving.get("/v2", {"Origin": OTHER})

    assert allowed(answer) == {
        "access-control-allow-origin": OTHER,
        "access-control-allow-credentials": "true",
    }


def test_a_page_that_cors_allows_may_load_models(serving):
    path = "/v2/repository/models/echo/unload"

    assert serving.post(path, headers={"Origin": OTHER}).status == 403
    assert serving.post(path, headers={"Origin": PAGE}).status == 200
