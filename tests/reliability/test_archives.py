"""B120 to B125: archives of environments that mean harm, or are broken."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest
from mlcore.archives import unpack_once
from mlcore.errors import ModelLoadError

from .asking import assert_refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path):
    """Return a function that writes an archive of entries."""

    def write(*entries, name="env.tar.gz"):
        path = tmp_path / name
        with tarfile.open(path, "w:gz", compresslevel=1) as made:
            for entry in entries:
                made.addfile(entry, io.BytesIO(bytes(entry.size)) if entry.isreg() else None)
        return path

    return write


@pytest.fixture
def refused(tmp_path):
    """Return a function that checks that an archive is refused, and leaves nothing anywhere."""
    (tmp_path / "canary").write_text("as it was")

    def refused(path: Path, problem: str) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ModelLoadError, match=problem):
            unpack_once(path, tmp_path / "envs", lambda folder: None)
        assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] in ([], [tmp_path / "envs"])
        assert (tmp_path / "canary").read_text() == "as it was"

    return refused


def entry(name, kind=tarfile.REGTYPE, target="", size=0, mode=0o755):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mode = kind, target, size, mode
    return made


@pytest.mark.parametrize("name", ["../canary", "a/../../canary", "/canary", "//canary", "..", "a/..", "\\canary"])
def test_b120_an_entry_with_a_path_that_leads_out_is_refused(archive, refused, name) -> None:
    refused(archive(entry("bin/python"), entry(name, size=4)), "leads outside the environment")


@pytest.mark.parametrize("target", ["../../canary", "/etc/passwd", "..", "../..", "a/../../.."])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symbolic", "hard"])
def test_b121_a_link_that_leads_out_is_refused(archive, refused, target, kind) -> None:
    refused(archive(entry("a", kind, target), entry("a/canary", size=4)), "is a (hard )?link")


@pytest.mark.parametrize(
    "entries",
    [
        [entry("d", tarfile.DIRTYPE), entry("a", tarfile.SYMTYPE, "d"), entry("a/file", size=4)],
        [entry("file", size=1), entry("a", tarfile.SYMTYPE, "file"), entry("a", size=4)],
        [entry("d/l", tarfile.SYMTYPE, "m"), entry("h", tarfile.LNKTYPE, "d/l"), entry("h/x", size=1)],
        [entry(f"{'a' * 250}", tarfile.SYMTYPE, "b"), entry(f"{'a' * 250}/x", size=1)],
    ],
    ids=["through a folder", "in its place", "through a hard link", "through a long name"],
)
def test_b121_no_entry_goes_through_a_link_not_even_to_inside(archive, refused, entries) -> None:
    refused(archive(*entries), "link")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_b122_what_is_no_file_is_refused(archive, refused, kind) -> None:
    refused(archive(entry("a", kind)), "is a device or a pipe")


def test_b122_bits_and_owners_are_not_kept(archive, tmp_path) -> None:
    made = entry("bin/su", size=4, mode=0o6777)
    made.uid = made.gid = 12345
    folder = unpack_once(archive(made), tmp_path / "envs", lambda folder: None)

    status = (folder / "bin/su").stat()

    assert status.st_mode & 0o7022 == 0
    assert status.st_uid == os.getuid()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_b123_a_bomb_is_refused_at_the_limit(tmp_path, refused, monkeypatch) -> None:
    monkeypatch.setattr("mlcore.archives._NEVER_TOO_MUCH_BYTES", 2**20)
    begin = entry("zeros", size=10 * 2**30).tobuf()
    with (tmp_path / "bomb.tar.gz").open("wb") as file:
        file.write(gzip.compress(begin))
        for _ in range(8):  # 128 MiB in 128 KiB; what would come after is not even looked for
            file.write(gzip.compress(bytes(2**24)))

    refused(tmp_path / "bomb.tar.gz", "it holds more than [0-9]+ bytes, the most for an archive of its size")


def test_b123_the_header_of_an_entry_cannot_be_the_bomb(tmp_path, refused) -> None:
    long_name = entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**40).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(long_name + bytes(2**20))

    refused(tmp_path / "a.tar", "has a header of more than")


def test_b123_too_many_entries_are_refused(archive, refused, monkeypatch) -> None:
    monkeypatch.setattr("mlcore.archives._MOST_ENTRIES", 1000)

    refused(archive(*(entry(f"f{number}") for number in range(1001))), "it holds more than 1000 entries")


@pytest.mark.parametrize("length", [1025, 4096, 100_000])
def test_b123_a_name_that_is_too_long_is_refused(archive, refused, length) -> None:
    refused(archive(entry("a/" * (length // 2) + "a")), "has a name of more than 1024 characters")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_b124_a_truncated_archive_leaves_nothing_and_the_whole_one_is_unpacked_then(
    archive, refused, tmp_path, share
) -> None:
    whole = archive(*(entry(f"lib/{number}", size=2000) for number in range(50)))
    content = whole.read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[: int(len(content) * share)])

    refused(tmp_path / "cut.tar.gz", "cannot be unpacked")

    (tmp_path / "cut.tar.gz").write_bytes(content)
    folder = unpack_once(tmp_path / "cut.tar.gz", tmp_path / "envs", lambda folder: None)
    assert len(os.listdir(folder / "lib")) == 50


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "damaged"])
def test_b124_an_archive_that_breaks_between_two_entries_is_not_taken_for_whole(tmp_path, refused, is_cut) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        for name in ("first", "second"):
            made.addfile(entry(name, size=512), io.BytesIO(bytes(512)))
    content = (tmp_path / "a.tar").read_bytes()
    # A header and its content have 512 bytes each.
    (tmp_path / "a.tar").write_bytes(content[:1024] if is_cut else content[:1024] + b"?" * 512 + content[1536:])

    refused(tmp_path / "a.tar", "cannot be unpacked: it ends, or is damaged, before its mark of the end")


def test_b124_what_a_killed_process_has_left_is_no_environment(archive, tmp_path) -> None:
    path = archive(*(entry(f"lib/{number}", size=10) for number in range(20)))
    program = (
        "import sys, time; from pathlib import Path; from mlcore.archives import unpack_once\n"
        "def stop(folder): print('half', flush=True); time.sleep(600)\n"
        "unpack_once(Path(sys.argv[1]), Path(sys.argv[2]), stop)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path, tmp_path / "envs"], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout.readline() == "half\n"
        killed.kill()
    assert any("-" in name for name in os.listdir(tmp_path / "envs"))
    mended: list[Path] = []

    folder = unpack_once(path, tmp_path / "envs", mended.append)

    assert len(mended) == 1
    assert len(os.listdir(folder / "lib")) == 20
    assert os.listdir(tmp_path / "envs") == [folder.name]


def test_b125_of_many_that_want_one_archive_one_unpacks_it(archive, tmp_path) -> None:
    path = archive(*(entry(f"lib/{number}", size=100) for number in range(100)))
    mended: list[Path] = []
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(unpack_once(path, tmp_path / "envs", mended.append)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == len(mended) == 1


@pytest.mark.parametrize("entries", [[entry("../evil", size=4)], [entry("a", tarfile.SYMTYPE, "/etc")]])
def test_b120_a_model_with_such_an_archive_is_not_loaded_and_the_old_one_goes_on(
    operated, operator, stays, archive, entries
) -> None:
    path = archive(entry("bin/python"), *entries)
    settings = operated.folder / "many" / "model-settings.json"
    good = settings.read_text()
    settings.write_text(json.dumps({**json.loads(good), "parameters": {"environment_tarball": str(path)}}))

    reply = operator.load("many")

    assert_refused(reply, "environment_tarball: 'env.tar.gz' is refused: its entry", code="FAILED_PRECONDITION")
    assert not list(operated.folder.rglob("evil"))
    settings.write_text(good)
    assert operator.load("many").code == "OK"
