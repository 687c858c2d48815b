"""docker or podman: found, and run with its output passed through."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TOOLS = ("docker", "podman")


def find_tool(wanted: str | None) -> str:
    """Return the name of the program that builds images.

    Args:
        wanted: The one that was asked for; the first that is there if `None`.

    Raises:
        SettingsError: It is not there, or none is.
    """
    for tool in TOOLS if wanted is None else (wanted,):
        if shutil.which(tool):
            return tool
    missing = " or ".join(TOOLS) if wanted is None else wanted
    raise SettingsError(
        f"there is no {missing} on this machine, and one of {' and '.join(TOOLS)} is needed to build an image; install "
        "it, or write the file for another machine with 'mlcore dockerfile FOLDER'"
    )


def build_command(
    tool: str,
    context: Path,
    tags: Iterable[str],
    arguments: Iterable[str] = (),
    options: Iterable[str] = (),
    no_cache: bool = False,
) -> list[str]:
    """Return the command line that builds an image.

    Args:
        tool: docker or podman.
        context: The folder with the files and the Dockerfile.
        tags: The names of the image.
        arguments: Values of the Dockerfile's arguments, `NAME=VALUE`.
        options: More options of the tool.
        no_cache: Whether to build every layer anew.
    """
    command = [tool, "build"]
    if tool == "podman":
        command += ["--format", "docker"]  # the other format, podman's default, has no HEALTHCHECK
    for tag in tags:
        command += ["--tag", tag]
    for argument in arguments:
        command += ["--build-arg", argument]
    return [*command, *(["--no-cache"] if no_cache else []), *options, str(context)]


def run_tool(command: list[str]) -> int:
    """Run it with its output passed through, and return its exit code."""
    return subprocess.run(command, check=False).returncode  # noqa: S603  # what the user asked for
