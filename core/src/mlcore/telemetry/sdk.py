"""The OpenTelemetry SDK of this process, set up once by whoever runs the process: the `mlcore` program.

A server only uses the API. The SDK is imported only if somebody asked for an exporter.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from mlcore.errors import SettingsError
from mlcore.telemetry.exporters import LOGS, METRICS, SIGNALS, TRACES, Wanted, make_exporter, wanted_exporters
from mlcore.telemetry.resource import resource_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource

    from mlcore.settings import Settings

_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)

# What the last spans, metrics and lines get to be delivered in: a collector that is down does not hold up the end.
_LAST_WORDS_S = 2.0


class Telemetry:
    """What this process has set up, to be stopped at its end.

    Attributes:
        metric_readers: Those that push metrics; whoever has a server lets them show what it measures.
    """

    def __init__(self) -> None:
        self.metric_readers: list[MetricReader] = []
        self._handlers: list[logging.Handler] = []
        self._shutdowns: list[Callable[[], Any]] = []

    def stop(self) -> None:
        """Deliver what is left, within two seconds."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
        until = time.monotonic() + _LAST_WORDS_S
        threads = [threading.Thread(target=shutdown, daemon=True) for shutdown in self._shutdowns]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def export_traces(self, exporters: list[Any], resource: Resource) -> None:
        """Send spans to exporters."""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from mlcore.telemetry.sampling import RequestSampler

        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.sampler = RequestSampler(provider.sampler)
        for exporter in exporters:
            provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        self._shutdowns.append(provider.shutdown)

    def export_metrics(self, exporters: list[Any], resource: Resource) -> None:
        """Send metrics to exporters, again and again."""
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        self.metric_readers += [PeriodicExportingMetricReader(exporter) for exporter in exporters]
        provider = MeterProvider(self.metric_readers, resource=resource, shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        self._shutdowns.append(provider.shutdown)

    def export_logs(self, exporters: list[Any], resource: Resource) -> None:
        """Send log lines to exporters, besides wherever else they go."""
        from opentelemetry import _logs
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        from mlcore.telemetry.log_lines import LineHandler, LineRecords

        provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        for exporter in exporters:
            provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        _logs.set_logger_provider(provider)
        handler = LineHandler(LineRecords(provider).emit)
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)
        self._shutdowns.append(provider.shutdown)


def set_up_telemetry(settings: Settings) -> Telemetry | None:
    """Set up the SDK for what the `OTEL_*` variables and the settings ask for; after `set_up_logging`.

    Returns:
        What is to be stopped in the end; `None` if nothing is asked for.

    Raises:
        SettingsError: What is asked for is not known, or not installed.
    """
    wanted = {signal: wanted_exporters(signal, settings) for signal in SIGNALS}
    if not any(wanted.values()):
        return None
    from mlcore.telemetry.trouble import tame_opentelemetry

    tame_opentelemetry()
    if wanted[TRACES]:
        _check_sampler()
    try:
        import opentelemetry.propagate  # noqa: F401  # it reads OTEL_PROPAGATORS
        from opentelemetry.sdk import trace  # noqa: F401
    except ValueError as error:
        raise SettingsError(f"OTEL_PROPAGATORS: {error}") from error
    # Exporters work in threads: with the default of 5 ms they would hold up the event loop again and again.
    sys.setswitchinterval(0.0005)
    resource = resource_of(settings)
    telemetry = Telemetry()
    for signal, export in (
        (TRACES, telemetry.export_traces),
        (METRICS, telemetry.export_metrics),
        (LOGS, telemetry.export_logs),
    ):
        if exporters := _made(wanted[signal]):
            export(exporters, resource)
    return telemetry


def _check_sampler() -> None:
    """Refuse a sampler that the SDK would silently replace by one that takes everything.

    Raises:
        SettingsError: It is not known, or its fraction is none.
    """
    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name and name not in _SAMPLERS:
        raise SettingsError(f"OTEL_TRACES_SAMPLER: expected one of {', '.join(_SAMPLERS)}, got '{name[:64]}'")
    fraction = os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1")
    try:
        is_fit = not name.endswith("traceidratio") or 0 <= float(fraction) <= 1
    except ValueError:
        is_fit = False
    if not is_fit:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, got '{fraction[:64]}'")


def _made(wanted: list[Wanted]) -> list[Any]:
    return [make_exporter(each) for each in wanted]
