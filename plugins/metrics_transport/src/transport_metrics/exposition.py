"""What Prometheus reads: everything that is measured, collected anew for each scrape, or for all that come at once."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from mlcore.telemetry.readers import include
from mlcore.telemetry.resource import resource_of
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics_of

from transport_metrics.mlserver_names import MlserverNames
from transport_metrics.turns import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.settings import Settings
    from mlcore.telemetry.tallies import Tallies

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_FORMATS: dict[str, Callable[[CollectorRegistry], bytes]] = {TEXT: text_of, OPEN_METRICS: open_metrics_of}
_GZIP_LEVEL = 1


class Exposition:
    """One server's metrics, and those of this process' OpenTelemetry provider, as text.

    Args:
        settings: The server's settings.
        tallies: What the server measures.
    """

    def __init__(self, settings: Settings, tallies: Tallies) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        if settings.metrics_names == "mlserver":
            self._registry.register(MlserverNames(tallies, settings.metrics_rest_server_prefix))
        self._reader = PrometheusMetricReader(registry=self._registry, scope_info_enabled=False)
        self._provider = _provider(settings)
        self._provider.add_metric_reader(self._reader)
        include(self._reader, tallies)
        # One thread for all scrapes: they never take more than a core, and the event loop goes on.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mlcore-metrics")
        self._scrapes = {
            (media_type, is_zipped): Shared(self._thread, partial(self._collected, media_type, is_zipped))
            for media_type in _FORMATS
            for is_zipped in (False, True)
        }

    async def collected(self, media_type: str, is_zipped: bool) -> bytes:
        """Return all metrics as they are now; who asks while others are being served shares their next answer.

        Args:
            media_type: `TEXT` or `OPEN_METRICS`.
            is_zipped: Whether they are compressed.
        """
        return await self._scrapes[media_type, is_zipped].result()

    def close(self) -> None:
        """Collect no more."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._provider.remove_metric_reader(self._reader)

    def _collected(self, media_type: str, is_zipped: bool) -> bytes:
        text = _FORMATS[media_type](self._registry)
        return gzip.compress(text, _GZIP_LEVEL) if is_zipped else text


def _provider(settings: Settings) -> MeterProvider:
    """Return this process' provider of the SDK; make one if there is none."""
    provider = metrics.get_meter_provider()
    if not isinstance(provider, MeterProvider):
        provider = MeterProvider(resource=resource_of(settings), shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
    return provider
