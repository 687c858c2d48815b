"""Importing mlcore, or a plugin's entry module, brings nothing heavy; importing any module has no effect."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

HEAVY = {"aiokafka", "spacy", "sklearn", "pandas", "torch", "litestar", "uvicorn", "scipy", "thinc", "joblib"}
OTHERS = [
    "aiokafka",
    "betterproto2",
    "grpclib.server",
    "h2.connection",
    "litestar.openapi",
    "opentelemetry.exporter.prometheus",
    "opentelemetry.sdk.trace",
    "pandas",
    "pluggy",
    "pydantic_settings",
    "sklearn.pipeline",
    "spacy",
    "structlog",
    "uvicorn",
]
ROOT = Path(__file__).parents[2]
ENTRY_MODULES = sorted({point.module for point in entry_points(group="mlcore")})
MODULES = sorted(
    ".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
    for source in ROOT.glob("**/src")
    if ".venv" not in source.parts
    for file in source.rglob("*.py")
    if file.name != "__main__.py"
)


def import_times(module: str) -> set[str]:
    """Return every module that importing one brings, as the interpreter reports it."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("module", ["mlcore", "mlcore.hookspecs", "mlcore.runtimes", *ENTRY_MODULES])
def test_nothing_heavy_is_imported(module: str) -> None:
    roots = {name.partition(".")[0] for name in import_times(module)}

    assert not roots & HEAVY


def test_importing_mlcore_imports_no_numpy() -> None:
    assert "numpy" not in import_times("mlcore")


def test_every_module_can_be_imported_alone_without_a_warning() -> None:
    # What others wrote is imported once, in the parent: it is the same for each of our modules, and takes longest.
    program = (
        "import importlib, os, sys\n"
        "for name in sys.argv[1].split(','):\n"
        "    importlib.import_module(name)\n"
        "for name in sys.argv[2:]:\n"
        "    if (pid := os.fork()) == 0:\n"
        "        importlib.import_module(name)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0, name\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, ",".join(OTHERS), *MODULES], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    ["mlcore", "mlcore_protocol", "mlcore.codecs", "mlcore.errors", "mlcore.metrics", "mlcore.types", "mlcore.testing"],
)
def test_every_public_name_is_there_and_they_are_sorted(module: str) -> None:
    imported = __import__(module, fromlist=["__all__"])

    assert list(imported.__all__) == sorted(imported.__all__)
    assert all(getattr(imported, name) is not None for name in imported.__all__)
