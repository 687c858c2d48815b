"""The text of a Dockerfile."""

import json
import subprocess
import sys

import pytest
from command_build.dockerfile import dockerfile
from command_build.image import describe

PLAIN = """\
# doubler, served by mlcore {version}. Written by mlcore: change it as you like.
ARG BASE=python:3.12-slim

FROM ${{BASE}} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv /opt/mlcore
ENV PATH=/opt/mlcore/bin:${{PATH}}
COPY ["requirements.txt", "./requirements.txt"]
RUN pip install \\
    --requirement requirements.txt \\
    mlcore-server=={version}

FROM ${{BASE}}
ARG BASE
"""


def text_of(place, *wheels, check=True, **options):
    return dockerfile(describe(place, base="python:3.12-slim", **options), wheels, check)


def health_of(text):
    (line,) = [line for line in text.splitlines() if line.startswith("    CMD [")]
    return json.loads(line.removeprefix("    CMD "))


def test_requirements_come_before_the_model_and_what_installs_stays_behind(folder):
    from importlib.metadata import version

    text = text_of(folder({"requirements.txt": "six\n"}))

    assert text.startswith(PLAIN.format(version=version("mlcore-server")))
    assert text.index("COPY --from=build /opt/mlcore /opt/mlcore") < text.index("COPY . /mnt/models")


def test_only_classic_syntax_is_used(folder):
    text = text_of(
        folder({"requirements.txt": "six\n", "environment.yml": "dependencies: []\n"}), "a-1-py3-none-any.whl"
    )

    assert not any(word in text for word in ("--mount", "<<", "# syntax", "--link", "--chmod"))
    words = {"#", "ARG", "FROM", "ENV", "WORKDIR", "RUN", "COPY", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "LABEL"}
    starts = {line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")}
    assert starts <= {*words, "HEALTHCHECK", "USER"}


def test_nobody_is_root_and_the_server_is_process_one(folder):
    lines = text_of(folder()).splitlines()

    assert lines.index("USER 1000:1000") < lines.index("RUN mlcore check")
    assert 'ENTRYPOINT ["mlcore"]' in lines
    assert 'CMD ["serve", "/mnt/models"]' in lines
    assert "STOPSIGNAL SIGTERM" in lines


def test_it_listens_to_everybody_inside_and_writes_nothing(folder):
    (line,) = [line for line in text_of(folder()).splitlines() if "MLCORE_HOST" in line]

    assert {"HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1", "MLCORE_HOST=0.0.0.0"} <= set(line.split())


def test_the_check_can_be_left_out(folder):
    assert "mlcore check" not in text_of(folder(), check=False)


def test_wheels_of_the_context_are_installed_instead_of_releases(folder):
    text = text_of(folder(implementation="spacy"), "mlcore_server-0.1.0-py3-none-any.whl", "other-1-py3-none-any.whl")

    assert "COPY .mlcore/wheels .mlcore/wheels\n" in text
    assert ".mlcore/wheels/*.whl \\\n    runtime-spacy==" in text
    assert "mlcore-server==" not in text


def test_a_project_is_read_in_the_image(folder):
    place = folder({"pyproject.toml": '[project]\ndependencies = ["six>1", "numpy; python_version > \'3\'"]\n'})

    text = text_of(place)
    (line,) = [line for line in text.splitlines() if line.startswith("RUN python3 -c")]
    done = subprocess.run(
        ["sh", "-c", line.removeprefix("RUN ")], cwd=place, env={"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    )

    assert done.returncode == 0
    assert (place / "project-requirements.txt").read_text() == "six>1\nnumpy; python_version > '3'\n"
    assert "--requirement project-requirements.txt" in text


def test_lines_of_mlserver_are_taken_out_in_the_image(folder):
    place = folder({"requirements.txt": "mlserver\nspacy==3.6.0\n  MLServer-sklearn>=1\nmlserverless\n"})

    (line,) = [line for line in text_of(place).splitlines() if line.startswith("RUN sed")]
    subprocess.run(["sh", "-c", line.removeprefix("RUN ")], cwd=place, check=True)

    assert (place / "requirements.txt").read_text() == "spacy==3.6.0\nmlserverless\n"


def test_a_conda_environment_is_made_where_it_will_be(folder):
    text = text_of(folder({"conda.yaml": "dependencies: []\n", "requirements.txt": "six\n"}))

    assert "ARG CONDA=mambaorg/micromamba:2\n" in text
    assert "FROM ${CONDA} AS build\nUSER root\n" in text
    assert "RUN micromamba create --yes --prefix /opt/mlcore --file conda.yaml \\\n" in text
    assert "--requirement requirements.txt" in text
    assert "\nFROM ${BASE}\n" in text


def test_strange_names_are_quoted(folder):
    place = folder({"requirements.txt": "./my wheel.whl\n", "my wheel.whl": ""}, name='a "b"')

    text = text_of(place)

    assert 'COPY ["my wheel.whl", "./my wheel.whl"]' in text
    assert 'image.title="a \\"b\\""' in text


def test_ports_are_exposed_and_health_asks_rest(folder):
    text = text_of(folder({"settings.json": '{"http_port": 9000, "transports": ["rest", "grpc"]}'}))

    assert "EXPOSE 9000 8081\n" in text
    assert health_of(text)[:2] == ["python", "-c"]
    assert "or 9000)" in health_of(text)[2]


def test_without_rest_there_is_no_health(folder):
    assert "HEALTHCHECK" not in text_of(folder({"settings.json": '{"transports": ["grpc"]}'}))


@pytest.mark.parametrize(
    ("more", "word"), [({}, "HTTPSConnection"), ({"tls_client_ca": "ca.pem"}, "socket.create_connection")]
)
def test_health_knows_encryption(folder, more, word):
    settings = json.dumps({"tls_certificate": "cert.pem", "tls_key": "key.pem", **more})

    assert word in health_of(text_of(folder({"settings.json": settings})))[2]


def test_health_is_what_the_server_says(folder, monkeypatch):
    """The program of the image, asked about a port that a server of one answer has."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if statuses.pop(0) == "ready" and self.path == "/v2/health/ready" else 503)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    statuses = ["ready", "not ready"]
    program = health_of(text_of(folder()))[2]
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        environment = {"MLCORE_HTTP_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:1"}
        codes = [subprocess.run([sys.executable, "-c", program], env=environment).returncode for _ in range(2)]
        server.shutdown()
        thread.join()

    assert codes == [0, 1]
