"""Digests: of a file, and of a folder by the rule that `docs/artefacts.md` gives as a command."""

import hashlib
import os
import socket
import subprocess

import pytest
from mlcore.digest import digest_of
from mlcore.errors import ModelLoadError

# As the page says it, for a folder without anything that does not count.
COMMAND = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    for name, text in {"b.bin": "b", "a/c.txt": "c", "a.txt": "a", "ä ö/x": "x"}.items():
        (made / name).parent.mkdir(exist_ok=True, parents=True)
        (made / name).write_text(text)
    return made


def test_that_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "m").write_bytes(b"abc" * 1_000_000)

    assert digest_of(tmp_path / "m") == f"sha256:{hashlib.sha256(b'abc' * 1_000_000).hexdigest()}"


def test_that_of_a_folder_is_what_the_documented_command_prints(folder):
    printed = subprocess.run(COMMAND, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout

    assert digest_of(folder) == f"sha256:{printed.split()[0]}"


@pytest.mark.parametrize(
    "name",
    ["model-settings.json", ".git/config", ".hidden", "a/.hidden", "__pycache__/m.pyc", "a/__pycache__/m.pyc"],
)
def test_what_does_not_count_changes_nothing_and_is_not_copied(folder, tmp_path, name):
    before = digest_of(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("other")

    assert digest_of(folder, tmp_path / "copy") == before
    assert not (tmp_path / "copy" / name).exists()
    assert (tmp_path / "copy" / "a/c.txt").read_text() == "c"


@pytest.mark.parametrize("mark", ["model-settings.json", "pyvenv.cfg"])
def test_a_model_and_an_environment_inside_are_not_part_of_it(folder, mark):
    before = digest_of(folder)
    (folder / "inner/deep").mkdir(parents=True)
    (folder / "inner" / mark).write_text("{}")
    (folder / "inner/deep/weights").write_text("w")
    (folder / "inner/link").symlink_to("/etc")

    assert digest_of(folder) == before


@pytest.mark.parametrize("name", ["a.txt", "a/c.txt", "a/model-settings.json.bak", "new", "a/new"])
def test_every_other_file_counts(folder, name):
    before = digest_of(folder)
    (folder / name).write_text("other")

    assert digest_of(folder) != before


def test_a_name_counts_too(folder):
    before = digest_of(folder)
    (folder / "a.txt").rename(folder / "z.txt")

    assert digest_of(folder) != before


@pytest.mark.parametrize("make", ["file link", "folder link", "pipe", "socket"])
def test_what_no_digest_can_cover_is_refused(folder, make, monkeypatch):
    monkeypatch.chdir(folder)
    if make == "pipe":
        os.mkfifo("odd")
    elif make == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("odd")
    else:
        os.symlink("a.txt" if make == "file link" else "a", "odd")

    with pytest.raises(ModelLoadError, match="'odd' is a link, a pipe or a device"):
        digest_of(folder)


@pytest.mark.parametrize("name", ["a\nb", "a\\b"])
def test_a_name_that_a_list_writes_in_another_way_is_refused(folder, name):
    (folder / name).touch()

    with pytest.raises(ModelLoadError, match="has a line break or a backslash"):
        digest_of(folder)


def test_nothing_has_no_digest(tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(ModelLoadError, match="the folder 'empty' has no files"):
        digest_of(tmp_path / "empty")
    with pytest.raises(ModelLoadError, match=r"names no file or folder here"):
        digest_of(tmp_path / "nowhere")
