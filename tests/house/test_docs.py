"""The documentation says what the code says."""

import inspect
import json
import re
import sys
from pathlib import Path

import pytest
from mlcore import errors, hookspecs
from mlcore.settings import CorsSettings, ModelParameters, ModelSettings, PluginSettings, Settings, TensorSettings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import differences  # noqa: E402  # what the page for users of MLServer is written from
import generate  # noqa: E402  # the script that writes the pages

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("mlcore_"))
PAGES = sorted(ROOT.glob("docs/*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md"))]


@pytest.mark.parametrize("page", sorted(generate.pages()))
def test_generated_text_is_up_to_date(page: str) -> None:
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == generate.pages()[page], "run scripts/docs"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_arguments(hook: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")

    assert f"### `{hook}{signature}`" in (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    assert "Called:" in inspect.getdoc(getattr(hookspecs, hook))


@pytest.mark.parametrize(
    "kind", [Settings, CorsSettings, PluginSettings, ModelSettings, ModelParameters, TensorSettings]
)
def test_every_setting_has_a_description(kind: type) -> None:
    assert all(field.description and field.description.endswith(".") for field in kind.model_fields.values())


def test_every_error_is_documented() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")

    assert all(f"`{name}`" in page for name in errors.__all__)


def test_every_request_that_is_answered_otherwise_than_by_mlserver_has_one_reason_and_no_other_has() -> None:
    explained = [name for reason in differences.reasons() for name in reason["cases"]]
    different = {name for name, case in differences.recorded().items() if differences.is_different(case)}

    assert different - set(explained) == set(), "give the reason in tests/conformance/reasons.json"
    assert sorted(explained) == sorted(different)


def test_every_reason_says_what_differs_and_why_and_is_shown_by_a_request() -> None:
    for reason in differences.reasons():
        assert reason["difference"].endswith(".")
        assert reason["why"].endswith(".")
        assert reason["cases"] or reason["own"]
        assert set(reason.get("own", {})) <= set(differences.own())


def test_every_place_of_the_page_for_users_of_mlserver_is_filled() -> None:
    page = (ROOT / "docs/come-from-mlserver.md").read_text(encoding="utf-8")

    assert all(f"<!-- {name} -->\n{block}\n" in page for name, block in differences.blocks().items())


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_every_link_to_a_file_leads_somewhere(text: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", text.read_text(encoding="utf-8"))

    assert all((text.parent / target).exists() for target in targets)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_every_python_and_json_block_can_be_read(text: Path) -> None:
    for language, block in re.findall(r"```(python|json)\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL):
        if language == "python":
            compile(block, text.name, "exec")
        else:
            json.loads(block.replace('"Barbie is ..."', '"x"'))


def test_the_changelog_has_a_fragment_of_a_known_kind_per_file() -> None:
    fragments = [file.name for file in (ROOT / "changelog.d").iterdir() if not file.name.startswith(".")]

    assert all(re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name) for name in fragments)
