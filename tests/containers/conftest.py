"""The real docker program on podman's socket, with a store of its own, and a base image made of this machine's files.

Nothing is fetched: the base has this Python and the libraries that are installed here, so pip finds them there already,
as in a company's own base image. Only root can do all this. Where CONTAINER_TESTS is set, what is missing is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from base_image import write_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = "localhost/base"
NEEDED = ("docker", "podman", "buildah", "runc", "nsenter")
# The limits are below what a root without all capabilities may set; the other programs are those that run anywhere.
SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return a function that runs a program, docker for one, where images and containers are only this module's."""
    _skip_unless_possible()
    place = Path(tempfile.mkdtemp(prefix="mlcore-"))  # a socket's path is short
    try:
        (place / "containers.conf").write_text(SETTINGS)
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLCORE_")},
            "CONTAINERS_CONF": str(place / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "DOCKER_HOST": f"unix://{place / 'socket'}",
            "DOCKER_CONFIG": str(place / "docker"),
            "DOCKER_BUILDKIT": "0",
        }
        podman = [
            "podman",
            "--storage-driver",
            "overlay",
            "--root",
            str(place / "store"),
            "--runroot",
            str(place / "run"),
        ]

        def run(*command: object) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*map(str, command)], env=variables, text=True, timeout=600, check=False, capture_output=True
            )

        write_base(podman, variables, BASE)
        log = (place / "log").open("w")
        service = subprocess.Popen(
            [*podman, "system", "service", "--time", "0", variables["DOCKER_HOST"]],
            env=variables,
            stdout=log,
            stderr=log,
        )
        try:
            while run("docker", "version").returncode:
                assert service.poll() is None, (place / "log").read_text()
            yield run
        finally:
            run(*podman, "rm", "--all", "--force", "--time", "0")
            service.terminate()
            service.wait(60)
            log.close()
    finally:
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(str(place)):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False)
        shutil.rmtree(place)


def _skip_unless_possible() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    why = f"there is no {', '.join(missing)}" if missing else "" if os.geteuid() == 0 else "only root can"
    if why:
        assert "CONTAINER_TESTS" not in os.environ, why
        pytest.skip(f"images cannot be built and run here: {why}")
