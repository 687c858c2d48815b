"""A digest: only what it was taken of is loaded, whatever happens to the files meanwhile."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from mlcore import ModelSettings, Server
from mlcore.digest import digest_of
from mlcore.errors import ModelLoadError, SettingsError
from mlcore.private_copy import PrivateCopy
from mlcore.settings_sources import read_model_settings

# A model that somebody attacks while it loads: what it reads afterwards is what was checked.
ATTACKED = """
from pathlib import Path
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse

SAYS = "own"


class MyModel(MLModel):
    def load(self):
        attacked = Path(self.settings.parameters.extra["attacked"])
        (attacked / "new").write_text("evil")
        (attacked / "new").replace(attacked / "weights")
        with (attacked / "other").open("r+") as same_file:
            same_file.write("evil")
        place = self.settings.folder / (self.settings.parameters.uri or "")
        place = place if place.is_dir() else place.parent
        self.texts = [(place / name).read_text() for name in ("weights", "other") if (place / name).exists()]
        self.place = place

    async def predict(self, payload):
        texts = [SAYS, *self.texts, str(self.place)]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", texts)])
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Let private copies be made here."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def attacked(model, repository):
    """Return a function that makes the model, whose digest is that of a URI."""

    def make(uri, digest=None):
        parameters = {"extra": {"attacked": str(repository / "m")}, **({"uri": uri} if uri else {})}
        folder = model("m", ATTACKED, parameters=parameters)
        (folder / "weights").write_text("good")
        (folder / "other").write_text("good")
        parameters["digest"] = digest or digest_of(folder / (uri or ""))
        return model("m", ATTACKED, parameters=parameters)

    return make


def sha256_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def texts_of(ask, server):
    return (await ask(server, "m"))["outputs"][0]["data"]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("uri", "expected"), [(None, ["good", "good"]), (".", ["good", "good"]), ("weights", ["good"])]
)
async def test_b132_what_is_loaded_is_what_was_checked(attacked, repository, ask, temporary, workers, uri, expected):
    folder = attacked(uri)

    async with Server(repository, transports=[], parallel_workers=workers) as server:
        own, *texts, place = await texts_of(ask, server)
        assert (own, texts) == ("own", expected)
        assert (folder / "weights").read_text() == (folder / "other").read_text() == "evil"
        assert Path(place).is_relative_to(temporary)
        (copy,) = temporary.iterdir()
        assert copy.stat().st_mode & 0o77 == 0
        assert server.control.model_metadata("m").parameters["digest"].startswith("sha256:")
        await server.control.unload("m")
        assert os.listdir(temporary) == []


async def test_b127_another_digest_is_refused_with_both_beginnings_and_the_old_model_goes_on(
    attacked, repository, ask, temporary, model
):
    folder = attacked("weights")
    async with Server(repository, transports=[]) as server:
        (folder / "weights").write_text("Good")

        with pytest.raises(ModelLoadError) as raised:
            await server.control.load("m")

        expected, got = sha256_of(b"good"), sha256_of(b"Good")
        assert str(raised.value) == (
            f"parameters.digest: 'weights' is not what was pinned: expected {expected[:19]}..., got {got[:19]}...; if "
            "it was changed on purpose, run 'mlcore pin FOLDER'"
        )
        assert (await texts_of(ask, server))[1] == "good"
        assert len(os.listdir(temporary)) == 1
    assert os.listdir(temporary) == []


async def test_its_own_code_is_part_of_a_folders_digest(attacked, repository):
    folder = attacked(None)
    (folder / "my_model.py").write_text(ATTACKED.replace('"own"', '"evil"'))

    async with Server(repository, transports=[]) as server:
        (item,) = server.control.index()

    assert "is not what was pinned" in item.reason


async def test_a_load_that_fails_leaves_no_copy(attacked, repository, temporary):
    folder = attacked("weights")
    (folder / "my_model.py").write_text(ATTACKED.replace("self.place = place", "1 / 0"))

    async with Server(repository, transports=[]) as server:
        assert "division by zero" in server.control.index()[0].reason
        assert os.listdir(temporary) == []


def test_a_copy_that_a_killed_process_left_goes_with_the_next_and_no_other_one_does(tmp_path, temporary):
    (tmp_path / "file").write_text("x")
    program = (
        "import sys; from pathlib import Path; from mlcore.private_copy import PrivateCopy; "
        "kept = PrivateCopy(Path(sys.argv[1])); print(kept.place, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        theirs = Path(other.stdout.readline().strip())
        PrivateCopy(tmp_path / "file").close()
        assert theirs.read_text() == "x"
        other.kill()
    mine = PrivateCopy(tmp_path / "file")

    assert not theirs.parent.exists()
    assert os.listdir(temporary) == [mine.place.parent.name]
    mine.close()


def test_a_copy_is_locked_as_long_as_it_is_there(tmp_path, temporary):
    (tmp_path / "file").touch()
    copy = PrivateCopy(tmp_path / "file")
    descriptor = os.open(copy.place.parent, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
        copy.close()


@pytest.mark.parametrize("digest", ["sha256:12", "md5:" + "0" * 64, "0" * 64, ""])
def test_what_is_no_digest_is_refused_by_the_settings(tmp_path, digest):
    (tmp_path / "model-settings.json").write_text(f'{{"implementation": "x", "parameters": {{"digest": "{digest}"}}}}')

    with pytest.raises(SettingsError, match=r"parameters\.digest: expected sha256: and 64 hexadecimal digits; 'mlcore"):
        read_model_settings(tmp_path / "model-settings.json")


async def test_a_digest_of_what_is_no_file_is_refused(model, repository):
    model("m", parameters={"uri": "en_core_web_md", "digest": "sha256:" + "0" * 64})

    async with Server(repository, transports=[]) as server:
        assert "parameters.uri names no file or folder here, so it has no digest" in server.control.index()[0].reason


def test_letters_of_a_digest_may_be_large():
    given = ModelSettings(name="m", implementation="x", parameters={"digest": "SHA256:" + "A" * 64})

    assert given.parameters.digest == "sha256:" + "a" * 64
