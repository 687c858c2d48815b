"""Environments: the interpreter of one, what an archive may hold, and a model that lives in one."""

import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from many import MODEL, said
from mlcore import ModelSettings, Server
from mlcore.environments import check_mlcore, environment_of, interpreter_of, unpacked, variables_of
from mlcore.errors import ModelLoadError

Archive = Callable[..., Path]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment that has what this one has."""
    folder = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Return a function that writes an archive of entries."""

    def write(*entries: tarfile.TarInfo | tuple[str, bytes], name: str = "env.tar.gz") -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w:gz") as made:
            for entry in entries:
                if isinstance(entry, tarfile.TarInfo):
                    made.addfile(entry)
                    continue
                info = tarfile.TarInfo(entry[0])
                info.size, info.mode = len(entry[1]), 0o755
                made.addfile(info, io.BytesIO(entry[1]))
        return path

    return write


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def of_kind(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


# --- an environment ---


def test_an_interpreter_is_found_and_has_no_variables_of_this_one(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("OTHER", "kept")
    variables = variables_of(environment)

    assert interpreter_of(environment) == environment / "bin" / "python"
    assert variables["PATH"].startswith(f"{environment}/bin:")
    assert ("PYTHONPATH" in variables, variables["OTHER"]) == (False, "kept")


def test_a_folder_without_an_interpreter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"environment_path: .* has no bin/python"):
        interpreter_of(tmp_path)


def test_the_version_of_mlcore_has_to_be_the_servers(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_mlcore(environment)
    monkeypatch.setattr("mlcore.environments.version", lambda name: "9.9.9")

    with pytest.raises(
        ModelLoadError, match=f"has mlcore-core {version('mlcore-core')}, and the server has 9.9.9; there"
    ):
        check_mlcore(environment)


def test_an_environment_without_mlcore_is_refused(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)

    with pytest.raises(ModelLoadError, match=r"has no mlcore that works .*pip install mlcore-core=="):
        check_mlcore(tmp_path / "bare")


def test_a_path_is_from_the_models_folder(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", str(environment))
    given = {"name": "m", "implementation": "x", "parameters": {"environment_path": "$WHERE"}}

    assert environment_of(ModelSettings.model_validate(given), "") == environment
    given["parameters"] = {"environment_path": environment.name}
    assert environment_of(ModelSettings.model_validate(given).located(environment.parent), "") == environment
    given["parameters"] = {}
    assert environment_of(ModelSettings.model_validate(given), "") is None


@pytest.mark.parametrize("setting", ["environment_path", "environment_tarball"])
async def test_a_model_lives_in_its_environment(
    environment: Path, tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "many"
    folder.mkdir(parents=True)
    where = environment
    if setting == "environment_tarball":
        where = folder / "env.tar.gz"
        with tarfile.open(where, "w:gz") as made:
            made.add(environment, ".", filter=lambda info: None if info.issym() and "python" in info.name else info)
            inner = tarfile.TarInfo("bin/python")
            script = f'#!/bin/sh\nexec {environment}/bin/python "$@"\n'.encode()
            inner.size, inner.mode = len(script), 0o755
            made.addfile(inner, io.BytesIO(script))
    (folder / "many.py").write_text(MODEL.replace("os.getpid()", "sys.prefix").replace("import os", "import os, sys"))
    (folder / "model-settings.json").write_text(
        json.dumps({"implementation": "many.Many", "parameters": {setting: str(where)}})
    )

    async with Server(folder.parent, transports=[], parallel_workers=1, environments_dir=str(tmp_path / "e")) as server:
        assert await said(server, "pid") == str(environment)


async def test_a_model_whose_environment_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MODEL)
    (tmp_path / "model-settings.json").write_text(
        json.dumps({"name": "m", "implementation": "many.Many", "parameters": {"environment_path": "nowhere"}})
    )

    async with Server(tmp_path, transports=[], parallel_workers=1) as server:
        (item,) = server.control.index()

    assert "nowhere' has no bin/python" in item.reason


# --- archives ---


def test_an_archive_is_unpacked_once_with_its_inner_links(archive: Archive, tmp_path: Path) -> None:
    path = archive(("bin/python3", b"#!/bin/sh\n"), link("bin/python", "python3"), ("lib/a", b"a"))

    folder = unpacked(path, tmp_path / "envs")
    (folder / "mark").touch()

    assert unpacked(path, tmp_path / "envs") == folder
    assert (folder / "mark").exists()
    assert interpreter_of(folder).resolve() == folder / "bin" / "python3"
    assert os.listdir(tmp_path / "envs") == [folder.name]


def test_what_conda_unpack_mends_is_mended_before_anybody_sees_it(archive: Archive, tmp_path: Path) -> None:
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'.encode()
    mend = b"import pathlib; pathlib.Path(__file__).with_name('mended').touch()"
    folder = unpacked(archive(("bin/python", python), ("bin/conda-unpack", mend)), tmp_path / "envs")

    assert (folder / "bin" / "mended").exists()


@pytest.mark.parametrize(
    "entries",
    [
        [("/etc/evil", b"x")],
        [("../evil", b"x")],
        [("a/../../evil", b"x")],
        [link("a", "/etc/passwd")],
        [link("a", "../../evil")],
        [link("a", "/etc/passwd", tarfile.LNKTYPE)],
        [link("a", "../evil", tarfile.LNKTYPE)],
        [link("a", ".."), ("a/evil", b"x")],
        [link("a", "b"), link("b", ".."), ("a/evil", b"x")],
        [of_kind("a", tarfile.CHRTYPE)],
        [of_kind("a", tarfile.BLKTYPE)],
        [of_kind("a", tarfile.FIFOTYPE)],
    ],
)
def test_an_entry_that_could_touch_a_file_outside_is_refused(archive: Archive, tmp_path: Path, entries: list) -> None:
    path = archive(("bin/python", b""), *entries)

    with pytest.raises(ModelLoadError, match=r"environment_tarball: .*env.tar.gz"):
        unpacked(path, tmp_path / "envs" / "in")

    assert os.listdir(tmp_path / "envs" / "in") == []
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name == "evil"]


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.tar.gz").write_bytes(content)

    with pytest.raises(ModelLoadError, match="cannot be unpacked"):
        unpacked(tmp_path / "a.tar.gz", tmp_path / "envs")


def test_an_archive_that_is_too_large_is_refused(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcore.archives._LARGEST_BYTES", 1000)

    with pytest.raises(ModelLoadError, match="more than 1000 bytes"):
        unpacked(archive(("a", bytes(600)), ("b", bytes(600))), tmp_path / "envs")


def test_a_conda_unpack_that_fails_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    path = archive(("bin/python", b"#!/bin/sh\nexit 3\n"), ("bin/conda-unpack", b""))

    with pytest.raises(ModelLoadError, match="conda-unpack failed"):
        unpacked(path, tmp_path / "envs")
    assert os.listdir(tmp_path / "envs") == []


def test_two_may_unpack_at_once(archive: Archive, tmp_path: Path) -> None:
    path = archive(*((f"lib/{number}", bytes(1000)) for number in range(200)))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(unpacked(path, tmp_path / "envs"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert os.listdir(tmp_path / "envs") == [found[0].name]
    assert len(os.listdir(found[0] / "lib")) == 200


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_model_in_the_server_itself_has_no_environment_of_its_own(workers: int) -> None:
    settings = ModelSettings(
        name="m", implementation="many.Many", parameters={"environment_path": "env"}, parallel_workers=0
    )
    async with Server(models=[settings], transports=[], parallel_workers=workers) as server:
        (item,) = server.control.index()

    assert item.reason == (
        "environment_path: only a worker can have an environment of its own; set parallel_workers to 1 or more"
    )
