"""The SDK as the program sets it up, by variables and settings."""

import json
import os

import pytest

SET_UP = """
import sys
from mlcore import Settings
from mlcore.logs import set_up_logging
from mlcore.telemetry import is_tracing
from mlcore.telemetry.sdk import set_up_telemetry

settings = Settings(server_name="ours")
set_up_logging(settings)
telemetry = set_up_telemetry(settings)
"""
SPAN = """
from opentelemetry import trace

with trace.get_tracer("mine").start_as_current_span("mine"):
    pass
telemetry.stop()
"""


@pytest.fixture
def program(run):
    """Return a function that runs a program with the telemetry that variables ask for."""

    def program(code, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        environment |= {f"OTEL_{name}": value for name, value in variables.items()}
        return run(program=SET_UP + code, env=environment)

    return program


def test_without_a_word_nothing_of_the_sdk_is_imported(program):
    done = program("""
assert telemetry is None and not is_tracing()
import asyncio
from mlcore import Server
async def main():
    async with Server(models=[], transports=[], parallel_workers=0):
        print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.trace"))])
asyncio.run(main())
""")

    assert done.stdout == "[]\n", done.stderr


def test_spans_may_go_to_the_console_and_the_last_ones_do_at_the_end(program):
    done = program(SPAN, TRACES_EXPORTER="console")

    span = json.loads(done.stdout)
    assert span["name"] == "mine"
    assert span["resource"]["attributes"]["service.name"] == "ours"
    assert span["resource"]["attributes"]["service.instance.id"]
    assert not done.stderr


def test_the_standard_names_of_a_service_win(program):
    done = program(
        SPAN, TRACES_EXPORTER="console", SERVICE_NAME="theirs", RESOURCE_ATTRIBUTES="service.version=7,team=a"
    )

    attributes = json.loads(done.stdout)["resource"]["attributes"]
    assert (attributes["service.name"], attributes["service.version"], attributes["team"]) == ("theirs", "7", "a")


def test_the_sampler_is_a_variable(program):
    done = program(SPAN, TRACES_EXPORTER="console", TRACES_SAMPLER="parentbased_traceidratio", TRACES_SAMPLER_ARG="0")

    assert (done.returncode, done.stdout) == (0, "")


def test_the_propagators_are_a_variable(program):
    done = program(
        "from mlcore.telemetry.tracing import Tracing\nprint(Tracing()._fields)",
        TRACES_EXPORTER="console",
        PROPAGATORS="baggage",
    )

    assert done.stdout == "{b'baggage': 'baggage'}\n", done.stderr


def test_metrics_and_lines_may_go_to_the_console_too(program):
    done = program(
        """
from opentelemetry import metrics
from mlcore.logs import get_logger
metrics.get_meter("mine").create_counter("mine").add(1)
get_logger("mlcore.mine").warning("a line", kind="mine")
assert len(telemetry.metric_readers) == 1
telemetry.stop()
""",
        METRICS_EXPORTER="console",
        LOGS_EXPORTER="console",
    )

    assert '"name": "mine"' in done.stdout, done.stderr
    assert '"body": "a line"' in done.stdout
    assert "a line" in done.stderr


WRONG = [
    ({"PROPAGATORS": "nothing"}, "OTEL_PROPAGATORS: "),
    ({"TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: the exporter 'zipkin' for traces is not installed"),
    ({"TRACES_SAMPLER": "coin"}, "OTEL_TRACES_SAMPLER: expected one of always_on"),
    (
        {"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "1 %"},
        "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, got '1 %'",
    ),
    ({"TRACES_EXPORTER": "otlp", "EXPORTER_OTLP_PROTOCOL": "smtp"}, "OTEL_EXPORTER_OTLP_PROTOCOL: "),
]


def test_what_is_wrong_with_variables_is_an_error_that_names_them(program):
    done = program(f"""
import os
from mlcore.errors import SettingsError
for variables, _ in {WRONG!r}:
    told = {{f"OTEL_{{name}}": value for name, value in {{"TRACES_EXPORTER": "console", **variables}}.items()}}
    os.environ.update(told)
    try:
        set_up_telemetry(settings)
    except SettingsError as error:
        print(error)
    for name in told:
        del os.environ[name]
""")

    assert done.returncode == 0, done.stderr
    messages = done.stdout.splitlines()
    assert len(messages) == len(WRONG)
    assert all(message.startswith(expected) for message, (_, expected) in zip(messages, WRONG, strict=True))


def test_such_an_error_is_one_of_usage(run, repository):
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "zipkin"}
    done = run("serve", repository, "--http-port", "0", "--grpc-port", "0", env=environment)

    assert done.returncode == 2
    assert done.stderr.startswith("mlcore: error: OTEL_TRACES_EXPORTER: ")
