"""What the command line and the environment may say."""

import argparse

import pytest
from command_infer.command import INFER
from command_infer.options import options_of
from mlcore.errors import SettingsError


def options(*arguments, model="m"):
    parser = argparse.ArgumentParser(exit_on_error=False)
    INFER.configure(parser)
    return options_of(parser.parse_args([*(["-m", model] if model is not None else []), *arguments]))


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], "http://localhost:8080"),
        (["-t", "grpc"], "grpc://localhost:8081"),
        (["-u", "host:9000"], "http://host:9000"),
        (["-u", "host:9000", "-t", "grpc"], "grpc://host:9000"),
        (["-u", "http://host"], "http://host:80"),
        (["-u", "https://host/models/v2"], "https://host:443/models"),
        (["-u", "host:9000", "--use-ssl"], "https://host:9000"),
        (["-u", "grpcs://host"], "grpcs://host:443"),
        (["-u", "grpc://[::1]:7"], "grpc://[::1]:7"),
    ],
)
def test_an_address_says_how_and_where(arguments, address):
    assert str(options(*arguments).address) == address


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-u", "ftp://host"], "expected http, https, grpc or grpcs://, got 'ftp://host'"),
        (["-u", "http://"], "--url: expected a host"),
        (["-u", "http://me:secret@host"], r"got 'http://host\.\.\.'"),
        (["-u", "host:word"], "--url: "),
        (["-u", "grpc://host/path"], "gRPC knows no paths"),
        (["-u", "grpc://host", "-t", "rest"], "--transport: rest does not go with grpc://"),
        (["-u", "http://host", "--use-ssl"], "--use-ssl: does not go with http://"),
        (["-w", "0"], "--workers: expected 1 or more, got 0"),
        (["-s", "0"], "--batch-size: expected 1 or more, got 0"),
        (["-r", "-1"], "--retries: expected 0 or more, got -1"),
        (["--timeout", "0"], "--timeout: expected more than 0 seconds"),
        (["--timeout", "nan"], "--timeout: expected more than 0 seconds"),
        (["--batch-interval", "nan"], "--batch-interval: expected 0 or more"),
        (["-H", "no colon"], "--request-headers: expected 'NAME: VALUE'"),
        (["-H", "A: b\nC: d"], "--request-headers: the value of A"),
        (["-H", "Content-Type: x"], "--request-headers: Content-Type is set for each request"),
        (["--resume"], "--resume: needs the file"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_option(arguments, message):
    with pytest.raises(SettingsError, match=message):
        options(*arguments)


def test_a_model_without_a_name_is_refused():
    with pytest.raises(SettingsError, match="--model-name"):
        options(model="")


def test_headers_and_words_of_mlserver_are_understood():
    given = options(
        *[
            "--url",
            "h:1",
            "--workers",
            "2",
            "--retries",
            "1",
            "--batch-size",
            "3",
            "--binary-data",
            "--transport",
            "rest",
        ],
        *[
            "--request-headers",
            "A: b:c",
            "-H",
            "D:e",
            "--timeout",
            "7",
            "--batch-interval",
            "0.5",
            "--batch-jitter",
            "1",
        ],
        *["--use-ssl", "--insecure", "--verbose", "--extra-verbose", "-i", "in", "-o", "out"],
    )

    assert (given.workers, given.retries, given.batch_size, given.is_binary, given.timeout_s) == (2, 1, 3, True, 7)
    assert given.headers == (("A", "b:c"), ("D", "e"))
    assert (given.interval_s, given.jitter_s, given.verbosity) == (0.5, 1, 2)
    assert given.address.is_encrypted
    assert not given.address.checks_certificate


def test_the_environment_says_what_the_command_line_does_not(monkeypatch):
    for name, value in {
        "MLSERVER_INFER_URL": "theirs:1",
        "MLCORE_INFER_URL": "ours:2",
        "MLSERVER_INFER_MODEL_NAME": "model",
        "MLSERVER_INFER_CONNECTION_TIMEOUT": "5",
        "MLSERVER_INFER_BINARY_DATA": "true",
        "MLSERVER_INFER_REQUEST_HEADERS": "A:1 B:2",
        "MLSERVER_INFER_EXTRA_VERBOSE": "1",
        "MLCORE_INFER_WORKERS": "4",
    }.items():
        monkeypatch.setenv(name, value)
    given = options("-w", "6", model=None)

    assert (str(given.address), given.model_name, given.timeout_s) == ("http://ours:2", "model", 5)
    assert (given.is_binary, given.headers, given.verbosity) == (True, (("A", "1"), ("B", "2")), 2)
    assert given.workers == 6
