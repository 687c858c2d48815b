"""The text of a Dockerfile. Classic syntax only, so that every builder reads it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from command_build.context import WHEELS
from command_build.dependencies import MLSERVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from command_build.image import Image

MODELS = "/mnt/models"
_HOME = "/opt/mlcore"
_CONDA = "mambaorg/micromamba:2"
_FROM_PROJECT = "project-requirements.txt"

# Writes the dependencies of a pyproject.toml, which pip itself does not install without the project.
_READ_PROJECT = (
    "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep=chr(10))"
)


def dockerfile(image: Image, wheels: Iterable[str] = (), check: bool = True) -> str:
    """Return the text of a Dockerfile.

    Args:
        image: What the image is made of.
        wheels: The names of the wheels that are in the context.
        check: Whether `mlcore check` is part of the build.
    """
    return (
        "\n\n".join(["\n".join(part) for part in (_head(image), _build(image, list(wheels)), _final(image, check))])
        + "\n"
    )


def _head(image: Image) -> Iterator[str]:
    yield f"# {', '.join(image.models)}, served by mlcore {image.mlcore}. Written by mlcore: change it as you like."
    yield f"ARG BASE={image.base}"
    if image.dependencies.conda:
        yield f"ARG CONDA={_CONDA}"


def _build(image: Image, wheels: list[str]) -> Iterator[str]:
    """Write the stage that installs: what it needs for that stays behind."""
    needs = image.dependencies
    yield f"FROM ${{{'CONDA' if needs.conda else 'BASE'}}} AS build"
    if needs.conda:
        yield "USER root"
    yield "ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore"
    yield "WORKDIR /build"
    if not needs.conda:
        yield f"RUN python3 -m venv {_HOME}"
    yield f"ENV PATH={_HOME}/bin:${{PATH}}"
    for file in needs.files:
        yield _copy(file)
    if needs.conda:
        yield f"RUN micromamba create --yes --prefix {_HOME} --file {shlex.quote(needs.conda)} \\"
        yield f" && micromamba install --yes --prefix {_HOME} --channel conda-forge 'python>=3.11' pip \\"
        yield " && micromamba clean --all --yes"
    listed = needs.requirements
    if needs.project:
        listed = _FROM_PROJECT
        yield f'RUN python3 -c "{_READ_PROJECT}" > {_FROM_PROJECT}'
    if needs.names_mlserver:
        yield "# mlcore takes its place."
        yield f"RUN sed -i -E '/^\\s*{MLSERVER}/Id' {listed}"
    if wheels:
        yield f"COPY {WHEELS} {WHEELS}"
    given = {wheel.partition("-")[0].replace("_", "-").lower() for wheel in wheels}
    pip = ["pip install"]
    if listed:
        pip.append(f"--requirement {listed}")
    if wheels:
        pip.append(f"{WHEELS}/*.whl")
    pip += [shlex.quote(line) for line in image.requirements if line.partition("==")[0] not in given]
    yield "RUN " + " \\\n    ".join(pip)


def _final(image: Image, check: bool) -> Iterator[str]:
    yield "FROM ${BASE}"
    yield "ARG BASE"
    yield "# Some libraries ask for the name of whoever runs them."
    yield (
        "RUN grep -q '^[^:]*:[^:]*:1000:' /etc/passwd "
        "|| echo 'mlcore:x:1000:1000:mlcore:/tmp:/sbin/nologin' >> /etc/passwd"
    )
    yield f"COPY --from=build {_HOME} {_HOME}"
    yield "# Nothing is written but under /tmp. Whoever runs the container decides who can reach it."
    yield f"ENV PATH={_HOME}/bin:${{PATH}} HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MLCORE_HOST=0.0.0.0"
    yield f"WORKDIR {MODELS}"
    if image.ports:
        yield f"EXPOSE {' '.join(map(str, image.ports.values()))}"
    yield "STOPSIGNAL SIGTERM"
    yield 'ENTRYPOINT ["mlcore"]'
    yield f'CMD ["serve", "{MODELS}"]'
    if "rest" in image.ports:
        yield "HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \\"
        yield f"    CMD {json.dumps(['python', '-c', _health(image)])}"
    yield f"LABEL org.opencontainers.image.title={json.dumps(', '.join(image.models))} \\"
    yield f'      org.opencontainers.image.description="Served by mlcore {image.mlcore}" \\'
    yield '      org.opencontainers.image.base.name="${BASE}"'
    yield _copy(".", MODELS)
    yield "USER 1000:1000"
    if check:
        yield "RUN mlcore check"


def _copy(path: str, target: str = "") -> str:
    """Return a COPY that takes a path to the same place, whatever its name."""
    if path == ".":
        return f"COPY . {target}"
    return f"COPY {json.dumps([path, f'./{path}'])}"


def _health(image: Image) -> str:
    """Return a program that fails while the server is not ready. It needs nothing but Python."""
    port = f"int(os.environ.get('MLCORE_HTTP_PORT') or {image.ports['rest']})"
    if image.tls == "mutual":  # without a certificate nobody gets further than the port
        return f"import os, socket; socket.create_connection(('127.0.0.1', {port}), 4)"
    module, kind, more = "http.client", "HTTPConnection", ""
    if image.tls:  # the certificate is not of this address
        module, kind, more = "http.client, ssl", "HTTPSConnection", ", context=ssl._create_unverified_context()"
    return (
        f"import {module}, os, sys; asked = http.client.{kind}('127.0.0.1', {port}, timeout=4{more}); "
        "asked.request('GET', '/v2/health/ready'); sys.exit(asked.getresponse().status != 200)"
    )
