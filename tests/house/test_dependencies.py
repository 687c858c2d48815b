"""Dependencies point one way: protocol, then core, then plugins, and plugins not at each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {source.name: source for source in ROOT.glob("**/src/*") if source.is_dir() and ".venv" not in source.parts}
PLUGINS = {name for name in PACKAGES if name.startswith(("transport_", "runtime_", "codec_", "command_"))}


def imported_by(package: Path) -> dict[str, str]:
    """Return the top-level names that a package imports, with one file that does."""
    names = {}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0]: str(file) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module.partition(".")[0]] = str(file)
    return names


def test_every_package_is_looked_at() -> None:
    assert {"mlcore_protocol", "mlcore", "transport_rest", "transport_kafka", "runtime_spacy", "codec_pandas"} <= set(
        PACKAGES
    )


def test_the_protocol_knows_nothing_of_core_and_plugins() -> None:
    assert not imported_by(PACKAGES["mlcore_protocol"]).keys() & {"mlcore", *PLUGINS}


def test_the_core_knows_nothing_of_plugins() -> None:
    assert not imported_by(PACKAGES["mlcore"]).keys() & {*PLUGINS, "mlserver", "mlcore_mlserver"}


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_plugins_know_nothing_of_each_other(name: str) -> None:
    assert not imported_by(PACKAGES[name]).keys() & (PLUGINS - {name})


def test_only_the_specs_and_the_manager_know_pluggy() -> None:
    users = {file.name for file in PACKAGES["mlcore"].rglob("*.py") if "import pluggy" in file.read_text("utf-8")}

    assert users == {"hookspecs.py", "plugins.py"}
