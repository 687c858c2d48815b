"""Who may change the server from a browser."""

from __future__ import annotations

import pytest

LOAD = "/v2/repository/models/echo/load"
UNLOAD = "/v2/repository/models/nope/unload"
INDEX = "/v2/repository/index"


@pytest.mark.parametrize("path", [LOAD, UNLOAD, INDEX])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "x"])
def test_a_page_of_another_origin_reaches_no_repository_route(rest, path, origin):
    answer = rest.post(path, headers={"Origin": origin})

    assert answer.status == 403
    assert answer.json()["error"].startswith(f"Origin: pages of '{origin}' may not call this")


def test_the_servers_own_page_may_load_models(rest):
    assert rest.post(LOAD, headers={"Origin": rest.url}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8080", "localhost.evil"])
def test_a_name_that_merely_resolves_to_this_machine_may_not_load_models(rest, host):
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        answer = rest.post(LOAD, headers=headers)
        assert answer.status == 403
        assert "repository_api" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:80", "[::1]:8080"])
def test_every_name_of_this_machine_may_load_models(rest, host):
    assert rest.post(LOAD, headers={"Host": host}).status == 200


def test_every_name_may_load_models_where_the_setting_opens_that(serve):
    serving = serve(repository_api=True)

    assert serving.post(LOAD, headers={"Host": "models.example"}).status == 200
    assert serving.post(LOAD, headers={"Host": "models.example", "Origin": "http://evil.example"}).status == 403


def test_nobody_may_where_the_setting_closes_it(serve):
    answer = serve(repository_api=False).post(LOAD)

    assert answer.status == 403
    assert "repository_api" in answer.json()["error"]
