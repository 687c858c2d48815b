"""Every distribution builds to a wheel, and a user who installs one runtime from wheels gets a server that answers."""

import json
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from mlcore.testing import start_server

ROOT = Path(__file__).parents[2]
PROJECTS = [
    ROOT,
    ROOT / "protocol",
    ROOT / "core",
    *sorted(folder.parent for folder in ROOT.glob("plugins/*/pyproject.toml")),
]

# What the wheels hold that have not one package.
PACKAGES = {"mlcore_server": set(), "mlcore_mlserver": {"mlserver", "mlcore_mlserver"}}


def uv(*arguments: str) -> None:
    """Run uv, which the project's environment has."""
    subprocess.run([str(Path(sys.executable).parent / "uv"), *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every wheel."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in PROJECTS:
        uv(
            "build",
            "--wheel",
            "--no-build-isolation",
            "--python",
            sys.executable,
            "--out-dir",
            str(folder),
            str(project),
        )
    return folder


def test_every_distribution_has_a_wheel(wheels: Path) -> None:
    names = {tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] for project in PROJECTS}

    assert {wheel.name.split("-")[0].replace("_", "-") for wheel in wheels.glob("*.whl")} == names


def test_wheels_hold_their_package_with_types_and_nothing_else(wheels: Path) -> None:
    for wheel in wheels.glob("*.whl"):
        names = zipfile.ZipFile(wheel).namelist()
        packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}

        assert packages == PACKAGES.get(wheel.name.split("-")[0], packages)
        assert wheel.name.split("-")[0] in PACKAGES or len(packages) == 1
        assert all(f"{package}/py.typed" in names for package in packages)
        assert not any("/tests/" in name for name in names)


def test_installing_a_runtime_from_wheels_gives_a_server_that_answers(wheels: Path, tmp_path: Path) -> None:
    """The versions are those that this environment has, so that a new release elsewhere breaks nothing here."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = str(home / "bin" / "python")
    pins = tmp_path / "pins.txt"
    frozen = subprocess.run(
        [str(Path(sys.executable).parent / "uv"), "pip", "freeze", "--exclude-editable", "--python", sys.executable],
        check=True,
        capture_output=True,
        text=True,
    )
    pins.write_text("".join(f"{line}\n" for line in frozen.stdout.splitlines() if "==" in line))
    uv("pip", "install", "--python", python, "--find-links", str(wheels), "--constraint", str(pins), "runtime-spacy")
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "words", "implementation": "spacy", "parameters": {"uri": "blank:en"}})
    )

    server = start_server(folder, python=python, env={"PYTHONPATH": ""})
    try:
        answer = server.infer(
            "words",
            {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Ada wrote it."]},
            outputs=[{"name": "tokens"}],
        )
    finally:
        code = server.stop()

    assert answer.status == 200
    assert "Ada" in answer.json()["outputs"][0]["data"][0]
    assert code == 0
