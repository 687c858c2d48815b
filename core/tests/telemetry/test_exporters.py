"""Which exporters are wanted, by variables and settings."""

from __future__ import annotations

import os

import pytest
from mlcore import Settings
from mlcore.errors import SettingsError
from mlcore.telemetry.exporters import SIGNALS, Wanted, make_exporter, wanted_exporters


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Return a function that sets variables, while there are no others."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)

    def variables(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"OTEL_{name}", value)

    return variables


def wanted(**settings):
    """Return what is wanted by signal: name and options."""
    found = {signal: wanted_exporters(signal, Settings(**settings)) for signal in SIGNALS}
    return {signal: [(each.name, each.options) for each in exporters] for signal, exporters in found.items()}


NOTHING = {"traces": [], "metrics": [], "logs": []}


def test_without_a_word_nothing_is_exported():
    assert wanted() == NOTHING


def test_an_endpoint_is_for_every_signal(variables):
    variables(EXPORTER_OTLP_ENDPOINT="http://localhost:4318")

    assert wanted() == {signal: [("otlp_proto_http", {})] for signal in SIGNALS}


def test_an_endpoint_of_one_signal_is_for_that(variables):
    variables(EXPORTER_OTLP_LOGS_ENDPOINT="http://localhost:4318/v1/logs")

    assert wanted() == {**NOTHING, "logs": [("otlp_proto_http", {})]}


def test_the_endpoint_may_be_a_setting():
    assert wanted(otlp_endpoint="http://collector:4318/") == {
        signal: [("otlp_proto_http", {"endpoint": f"http://collector:4318/v1/{signal}"})] for signal in SIGNALS
    }


def test_a_variable_wins_over_the_setting(variables):
    variables(EXPORTER_OTLP_ENDPOINT="http://other:4318")

    assert wanted(otlp_endpoint="http://collector:4318")["traces"] == [("otlp_proto_http", {})]


def test_the_protocol_is_a_variable_for_all_or_for_one_signal(variables):
    variables(EXPORTER_OTLP_PROTOCOL="grpc", EXPORTER_OTLP_LOGS_PROTOCOL="http/protobuf")

    found = wanted(otlp_endpoint="http://collector:4317")
    assert found["traces"] == [("otlp_proto_grpc", {"endpoint": "http://collector:4317"})]
    assert found["logs"] == [("otlp_proto_http", {"endpoint": "http://collector:4317/v1/logs"})]


def test_a_protocol_that_is_not_known_is_an_error_that_lists_those_that_are(variables):
    variables(EXPORTER_OTLP_PROTOCOL="http/json", EXPORTER_OTLP_ENDPOINT="http://localhost:4318")

    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/protobuf, grpc"):
        wanted()


def test_tracing_server_is_for_traces_over_grpc():
    expected = [("otlp_proto_grpc", {"endpoint": "collector:4317", "insecure": True})]

    assert wanted(tracing_server="collector:4317") == {**NOTHING, "traces": expected}


def test_exporters_are_named_for_each_signal(variables):
    variables(EXPORTER_OTLP_ENDPOINT="http://localhost:4318", TRACES_EXPORTER="console, otlp", METRICS_EXPORTER="none")

    found = wanted()
    assert found["traces"] == [("console", {}), ("otlp_proto_http", {})]
    assert found["metrics"] == []
    assert found["logs"] == [("otlp_proto_http", {})]


def test_the_sdk_may_be_disabled(variables):
    variables(SDK_DISABLED="true", EXPORTER_OTLP_ENDPOINT="http://localhost:4318", TRACES_EXPORTER="console")

    assert wanted(tracing_server="collector:4317") == NOTHING


def test_metrics_for_prometheus_are_the_transports(variables):
    variables(METRICS_EXPORTER="prometheus")

    with pytest.raises(SettingsError, match="metrics_port"):
        wanted()


def test_an_exporter_that_is_not_installed_is_an_error_that_says_which_are():
    with pytest.raises(SettingsError, match=r"OTEL_TRACES_EXPORTER: the exporter 'zipkin' .* only .*console.* are"):
        make_exporter(Wanted("traces", "zipkin", {}, "OTEL_TRACES_EXPORTER"))


def test_the_exporters_of_otlp_say_how_they_are_installed(monkeypatch):
    monkeypatch.setattr("mlcore.telemetry.exporters.entry_points", lambda **_: [])

    with pytest.raises(SettingsError, match=r"pip install 'transport-metrics\[otlp-grpc\]'"):
        make_exporter(Wanted("traces", "otlp_proto_grpc", {}, "x"))
    with pytest.raises(SettingsError, match=r"pip install transport-metrics$"):
        make_exporter(Wanted("traces", "otlp_proto_http", {}, "x"))


def test_what_an_exporter_does_not_take_is_an_error(variables):
    variables(EXPORTER_OTLP_TIMEOUT="soon")

    with pytest.raises(SettingsError, match=r"x: the exporter 'otlp_proto_grpc' for traces cannot be made: .*soon"):
        make_exporter(Wanted("traces", "otlp_proto_grpc", {}, "x"))


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(ValueError, match="http:// or https://"):
        Settings(otlp_endpoint="collector:4318")
