"""Environments for models: the interpreter of a virtual or conda environment, or of one that conda-pack archived."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.archives import unpack_once
from mlcore.errors import ModelLoadError
from mlcore.settings import Settings, secrets_of

if TYPE_CHECKING:
    from mlcore.settings import ModelSettings

_ASKED = "from importlib.metadata import version; import mlcore.engines.process.worker; print(version('mlcore-core'))"
_ASK_TIMEOUT_S = 60
_UNPACK_TIMEOUT_S = 600


def environment_of(settings: ModelSettings, directory: str) -> Path | None:
    """Return the environment that a model's settings name, unpacked and checked; `None` if they name none. Slow.

    Args:
        settings: The model's settings; paths are from its folder.
        directory: Where archives are unpacked; a folder of the user's cache if empty.

    Raises:
        ModelLoadError: It is not there, cannot be used, or has another version of mlcore.
    """
    parameters = settings.parameters
    if parameters.environment_tarball:
        where = Path(directory).expanduser() if directory else _cache()
        environment = unpacked(_located(parameters.environment_tarball, settings), where)
    elif parameters.environment_path:
        environment = _located(parameters.environment_path, settings)
    else:
        return None
    check_mlcore(environment)
    return environment


def check_no_environment(settings: ModelSettings) -> None:
    """Refuse a model that needs an environment of its own where there is only the server's.

    Raises:
        ModelLoadError: Its settings name one.
    """
    for name in ("environment_path", "environment_tarball"):
        if getattr(settings.parameters, name):
            raise ModelLoadError(
                f"{name}: only a worker can have an environment of its own; set parallel_workers to 1 or more"
            )


def _located(path: str, settings: ModelSettings) -> Path:
    return (settings.folder or Path()).joinpath(os.path.expandvars(os.path.expanduser(path))).absolute()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mlcore" / "environments"


def interpreter_of(environment: Path) -> Path:
    """Return the Python of an environment.

    Raises:
        ModelLoadError: There is none.
    """
    python = environment / "bin" / "python"
    if not python.is_file() or not os.access(python, os.X_OK):
        raise ModelLoadError(
            f"environment_path: '{environment}' has no bin/python; give the folder of a virtual or conda environment"
        )
    return python


def own_variables() -> dict[str, str]:
    """Return this process' environment variables, but for those that hold secrets of the server."""
    secret = {f"MLCORE_{name}".upper() for name in secrets_of(Settings)}
    return {name: value for name, value in os.environ.items() if name.upper() not in secret}


def variables_of(environment: Path) -> dict[str, str]:
    """Return the environment variables for an interpreter of that environment, with nothing of this process' own."""
    own = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "__PYVENV_LAUNCHER__"}
    variables = {name: value for name, value in own_variables().items() if name not in own}
    variables["PATH"] = f"{environment / 'bin'}{os.pathsep}{variables.get('PATH', os.defpath)}"
    return variables


def check_mlcore(environment: Path) -> None:
    """Check that an environment has the version of mlcore that this process has.

    Raises:
        ModelLoadError: It has another one, or none.
    """
    ours = version("mlcore-core")
    asked = subprocess.run(  # noqa: S603  # the interpreter that the model's settings name
        [interpreter_of(environment), "-c", _ASKED],
        capture_output=True,
        text=True,
        timeout=_ASK_TIMEOUT_S,
        env=variables_of(environment),
        check=False,
    )
    if asked.returncode:
        reason = asked.stderr.strip().splitlines()[-1:] or [f"exit code {asked.returncode}"]
        raise ModelLoadError(
            f"environment_path: '{environment}' has no mlcore that works ({reason[0]}); there, pip install "
            f"mlcore-core=={ours}"
        )
    theirs = asked.stdout.strip()
    if theirs != ours:
        raise ModelLoadError(
            f"environment_path: '{environment}' has mlcore-core {theirs}, and the server has {ours}; there, "
            f"pip install mlcore-core=={ours}"
        )


def unpacked(tarball: Path, directory: Path) -> Path:
    """Unpack an archive that conda-pack made, unless it was before, and return the environment's folder.

    Args:
        tarball: The archive.
        directory: Where such folders are.

    Raises:
        ModelLoadError: It cannot be read, is refused, or its own conda-unpack fails.
    """
    return unpack_once(tarball, directory, _conda_unpack)


def _conda_unpack(made: Path) -> None:
    """Let an environment adapt itself to where it is now."""
    fix = made / "bin" / "conda-unpack"
    if not fix.is_file():
        return
    try:
        subprocess.run(  # noqa: S603  # the archive's own
            [interpreter_of(made), fix],
            check=True,
            timeout=_UNPACK_TIMEOUT_S,
            env=variables_of(made),
            capture_output=True,
        )
    except subprocess.SubprocessError as error:
        raise ModelLoadError(f"environment_tarball: its conda-unpack failed: {error}") from error
