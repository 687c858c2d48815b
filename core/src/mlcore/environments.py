"""Environments for models: the interpreter of a virtual or conda environment, or of one that conda-pack archived."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import ModelLoadError
from mlcore.settings import Settings, secrets_of

if TYPE_CHECKING:
    from mlcore.settings import ModelSettings

_LARGEST_BYTES = 64 * 2**30
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

    Its name is the archive's SHA-256, so a new archive gets a new folder. Links inside the environment are kept, as
    conda environments have them; everything that could touch a file outside it is refused.

    Args:
        tarball: The archive.
        directory: Where such folders are.

    Raises:
        ModelLoadError: It cannot be read, or an entry of it is absolute, leads outside, or is a device.
    """
    try:
        with tarball.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        folder = directory / name
        if not folder.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            _unpack(tarball, folder)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ModelLoadError(f"environment_tarball: '{tarball}' cannot be unpacked: {error}") from error
    return folder


def _unpack(tarball: Path, folder: Path) -> None:
    """Unpack beside the folder, then give it its name at once: it is there as a whole or not at all."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name[:16]}-", dir=folder.parent))
    try:
        with tarfile.open(tarball) as archive:
            left = _LARGEST_BYTES
            for member in archive:
                left -= member.size
                if left < 0:
                    raise ModelLoadError(f"environment_tarball: '{tarball}' holds more than {_LARGEST_BYTES} bytes")
                _check(member, tarball)
                archive.extract(member, made, filter="data")
        fix = made / "bin" / "conda-unpack"
        if fix.is_file():
            subprocess.run(  # noqa: S603  # the archive's own
                [interpreter_of(made), fix],
                check=True,
                timeout=_UNPACK_TIMEOUT_S,
                env=variables_of(made),
                capture_output=True,
            )
        made.chmod(stat.S_IRWXU)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster, with the same archive
                raise
    except tarfile.FilterError as error:
        raise ModelLoadError(f"environment_tarball: '{tarball}' is refused: {error}") from error
    except subprocess.SubprocessError as error:
        raise ModelLoadError(f"environment_tarball: '{tarball}': its conda-unpack failed: {error}") from error
    finally:
        if made.exists():
            shutil.rmtree(made, ignore_errors=True)


def _check(member: tarfile.TarInfo, tarball: Path) -> None:
    """Refuse an entry before anything of it is written."""
    parts = Path(member.name).parts
    problem = ""
    if member.name.startswith(("/", "\\")) or ".." in parts:
        problem = "leads outside the environment"
    elif not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        problem = "is a device or a pipe"
    elif (member.issym() or member.islnk()) and member.linkname.startswith("/"):
        problem = f"is a link to the absolute path '{member.linkname}'"
    if problem:
        raise ModelLoadError(f"environment_tarball: '{tarball}' is refused: its entry '{member.name}' {problem}")
