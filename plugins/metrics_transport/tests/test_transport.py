"""The metrics' own port: what it shows, how, and that scrapes hold nothing up."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from mlcore import Server
from mlcore.errors import PortInUseError
from mlcore.telemetry.instruments import QUEUE_SIZE
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families
from transport_metrics.names import prometheus_name

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = 'model="quiet",'


async def test_requests_are_shown_by_outcome_and_route(serve: Callable[..., Any]) -> None:
    async with serve() as served:
        for name in ("x", "x", "bug"):
            await served.ask(name)
        await served.ask(path="/v2/models/no-such/infer")

        samples = await served.samples()

    assert samples['mlcore_request_duration_seconds_count{model="quiet",outcome="ok",version=""}'] == 2
    assert samples['mlcore_request_duration_seconds_count{model="quiet",outcome="internal",version=""}'] == 1
    assert samples['mlcore_request_duration_seconds_bucket{le="+Inf",model="quiet",outcome="ok",version=""}'] == 2
    assert samples['mlcore_model_state{model="quiet",state="READY",version=""}'] == 1
    route = 'http_request_method="POST",http_response_status_code="{}",http_route="/v2/models/{{model_name}}/infer"'
    for status, count in ((200, 2), (500, 1), (404, 1)):
        assert samples[f"http_server_request_duration_seconds_count{{{route.format(status)}}}"] == count
    assert samples["process_resident_memory_bytes"] > 0
    assert any(name.startswith("python_info{") for name in samples)
    assert 'mlcore_info{version="0.1.0"}' in samples
    assert not any("no-such" in name for name in samples)


async def test_both_formats_can_be_parsed_and_compressed(serve: Callable[..., Any]) -> None:
    async with serve() as served:
        await served.ask()
        plain = await served.scrape(accept="text/plain")
        open_metrics = await served.scrape(accept="application/openmetrics-text; version=1.0.0")
        zipped = await served.scrape(**{"accept-encoding": "gzip"})
        unzipped = await served.scrape(**{"accept-encoding": "gzip;q=0, identity"})

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_metrics.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(plain.text)}
    assert {"mlcore_request_duration_seconds", "mlcore_queue_size"} <= names
    assert open_metrics.text.endswith("# EOF\n")
    assert {"mlcore_request_duration_seconds"} <= {f.name for f in open_metrics_families(open_metrics.text)}
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in unzipped.headers
    assert int(zipped.headers["content-length"]) * 3 < len(zipped.content)


@pytest.mark.parametrize("path", ["/own/metrics", "own/metrics/"])
async def test_other_paths_and_methods_are_errors_in_json(serve: Callable[..., Any], path: str) -> None:
    async with serve(metrics_endpoint=path) as served:
        url = served.server.url("metrics")
        missing = await served.scrape("/metrics")
        refused = await served.client.post(f"{url}/own/metrics")
        head = await served.client.head(f"{url}/own/metrics")
        found = await served.scrape("/own/metrics/")

    assert (missing.status_code, missing.json()) == (
        404,
        {"error": "there is nothing here; the metrics are at /own/metrics"},
    )
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 1000
    assert found.status_code == 200


async def test_without_a_path_it_takes_no_port(serve: Callable[..., Any]) -> None:
    async with serve(metrics_endpoint=None) as served:
        with pytest.raises(LookupError, match="no transport 'metrics' runs"):
            served.server.url("metrics")
        assert (await served.ask()).status_code == 200


async def test_a_taken_port_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(".", transports=["metrics"], parallel_workers=0, metrics_port=port)
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}.*metrics_port"):
            await server.start()


async def test_two_servers_of_one_process_show_each_its_own(serve: Callable[..., Any]) -> None:
    async with serve() as one, serve() as other:
        await one.ask()

        assert (await one.samples())['mlcore_request_size_bytes_count{model="quiet",version=""}'] == 1
        assert (await other.samples())['mlcore_request_size_bytes_count{model="quiet",version=""}'] == 0


async def test_a_thousand_scrapes_at_once_share_collections_and_hold_up_no_request(serve: Callable[..., Any]) -> None:
    async with serve() as served:
        collections = 0
        go_on = threading.Event()

        def observed() -> list[tuple[float, tuple[str, ...]]]:
            nonlocal collections
            collections += 1
            go_on.wait(60)  # as if there were very many series
            return []

        served.server.dispatcher.tallies.observe(QUEUE_SIZE, observed)
        url = f"{served.server.url('metrics')}/metrics"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def scrape() -> int:
                async with session.get(url) as answer:
                    await answer.read()
                    return answer.status

            scrapes = [asyncio.ensure_future(scrape()) for _ in range(1000)]
            while not collections:
                await asyncio.sleep(0.001)
            answers = [await served.ask() for _ in range(5)]
            done = sum(scrape.done() for scrape in scrapes)
            go_on.set()
            statuses = await asyncio.gather(*scrapes)

    assert {answer.status_code for answer in answers} == {200}
    assert not done
    assert set(statuses) == {200}
    assert collections < 200


async def test_a_collection_that_fails_is_an_error_and_the_next_one_is_not(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as served:
        problems = [ValueError("broken")]

        def observed() -> list[tuple[float, tuple[str, ...]]]:
            if problems:
                raise problems.pop()
            return []

        served.server.dispatcher.tallies.observe(QUEUE_SIZE, observed)
        failed = await served.scrape()

        assert failed.status_code == 500
        assert failed.json() == {"error": "the metrics could not be collected; the log says why"}
        assert (await served.scrape()).status_code == 200
    assert "the metrics could not be collected" in caplog.text


async def test_names_of_mlserver_are_shown_where_asked_for(serve: Callable[..., Any]) -> None:
    async with serve(metrics_names="mlserver", metrics_rest_server_prefix="own") as served:
        for name in ("x", "x", "bug"):
            await served.ask(name)
        samples = await served.samples()
        open_metrics = await served.scrape(accept="application/openmetrics-text")

    assert samples['model_infer_request_success_total{model="quiet",version=""}'] == 2
    assert samples['model_infer_request_failure_total{model="quiet",version=""}'] == 1
    assert samples['model_infer_request_duration_count{model="quiet",version=""}'] == 3
    labels = 'app_name="mlserver",method="POST",path="/v2/models/{model_name}/infer",status_code="200"'
    assert samples[f"own_requests_total{{{labels}}}"] == 2
    assert any(name.startswith("own_request_duration_seconds_bucket") for name in samples)
    assert any(name.startswith("own_requests_in_progress") for name in samples)
    assert 'mlcore_request_size_bytes_count{model="quiet",version=""}' in samples
    assert list(open_metrics_families(open_metrics.text))


async def test_every_metric_has_the_name_that_the_documentation_says(serve: Callable[..., Any]) -> None:
    async with serve() as served:
        await served.ask()
        found = {family.name: family for family in text_string_to_metric_families((await served.scrape()).text)}
        measured = [known for known, series in served.server.tallies.series() if series]
        measured += [known for known, values in served.server.tallies.observed() if values]

    names = {prometheus_name(known).removesuffix("_total") for known in measured}
    assert len(names) > 12
    assert names <= found.keys()
    assert {found[prometheus_name(known).removesuffix("_total")].documentation for known in measured} == {
        known.description for known in measured
    }
