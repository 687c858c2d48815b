"""Which exporters are wanted for traces, metrics and logs: by the standard `OTEL_*` variables, then by the settings.

Exporters are found by their entry points, so nothing here depends on one; whichever is installed can be named.

Source: OpenTelemetry, environment variable specification and OTLP exporter specification.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from mlcore.settings import Settings

TRACES, METRICS, LOGS = SIGNALS = ("traces", "metrics", "logs")

_HTTP, _GRPC = "otlp_proto_http", "otlp_proto_grpc"
_BY_PROTOCOL = {"http/protobuf": _HTTP, "grpc": _GRPC}
_INSTALLS = {_HTTP: "pip install transport-metrics", _GRPC: "pip install 'transport-metrics[otlp-grpc]'"}


class Wanted(NamedTuple):
    """An exporter that somebody asked for.

    Attributes:
        signal: What it exports.
        name: The name of its entry point.
        options: What it is made with; everything else it reads from the variables.
        source: Where it was asked for, for error messages.
    """

    signal: str
    name: str
    options: dict[str, Any]
    source: str


def wanted_exporters(signal: str, settings: Settings) -> list[Wanted]:
    """Return the exporters that are asked for, for one signal.

    Raises:
        SettingsError: A variable says something that is not known.
    """
    if _variable("OTEL_SDK_DISABLED").lower() == "true":
        return []
    chosen = f"OTEL_{signal.upper()}_EXPORTER"
    names = [name.strip() for name in _variable(chosen).split(",") if name.strip()]
    if names:
        return [_named(signal, name, settings, chosen) for name in names if name != "none"]
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if _variable(variable):
            return [_named(signal, "otlp", settings, variable)]
    if settings.otlp_endpoint:
        return [_named(signal, "otlp", settings, "the setting otlp_endpoint")]
    if signal == TRACES and settings.tracing_server:
        options = {"endpoint": settings.tracing_server, "insecure": True}
        return [Wanted(signal, _GRPC, options, "the setting tracing_server")]
    return []


def make_exporter(wanted: Wanted) -> Any:
    """Make an exporter.

    Raises:
        SettingsError: It is not installed, or does not take what the variables say.
    """
    group = f"opentelemetry_{wanted.signal}_exporter"
    found = next(iter(entry_points(group=group, name=wanted.name)), None)
    if found is None:
        known = sorted({point.name for point in entry_points(group=group)})
        install = _INSTALLS.get(wanted.name, "install the distribution that has it")
        raise SettingsError(
            f"{wanted.source}: the exporter '{wanted.name}' for {wanted.signal} is not installed, only "
            f"{', '.join(known) or 'none'} are; {install}"
        )
    try:
        return found.load()(**wanted.options)
    except Exception as error:  # an exporter reads many variables, and says in its own way what is wrong with them
        raise SettingsError(
            f"{wanted.source}: the exporter '{wanted.name}' for {wanted.signal} cannot be made: {error}"
        ) from error


def _named(signal: str, name: str, settings: Settings, source: str) -> Wanted:
    if name == "prometheus":
        raise SettingsError(
            f"{source}: mlcore serves metrics for Prometheus itself, on metrics_port; leave prometheus out"
        )
    if name not in ("otlp", _HTTP, _GRPC):
        return Wanted(signal, name, {}, source)
    name = _by_protocol(signal) if name == "otlp" else name
    return Wanted(signal, name, _place(signal, name, settings), source)


def _by_protocol(signal: str) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = _variable(variable)
        if protocol:
            if protocol not in _BY_PROTOCOL:
                raise SettingsError(f"{variable}: expected one of {', '.join(_BY_PROTOCOL)}, got '{protocol[:64]}'")
            return _BY_PROTOCOL[protocol]
    return _HTTP


def _place(signal: str, name: str, settings: Settings) -> dict[str, Any]:
    """Return where to send to, if the settings say so and no variable does."""
    endpoint = settings.otlp_endpoint
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if _variable(variable):
            endpoint = None
    if not endpoint:
        return {}
    return {"endpoint": f"{endpoint.rstrip('/')}/v1/{signal}" if name == _HTTP else endpoint}


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
