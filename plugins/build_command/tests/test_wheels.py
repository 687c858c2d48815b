"""Wheels of what is installed here from a folder, or out of a folder of wheels."""

import zipfile

import pytest
from command_build.wheels import build_local, pick
from mlcore.errors import SettingsError


@pytest.fixture
def wheel(tmp_path):
    """Return a function that writes a wheel which requires others."""

    def write(name, version="1.0", requires=()):
        file = tmp_path / f"{name}-{version}-py3-none-any.whl"
        lines = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
            *(f"Requires-Dist: {one}" for one in requires),
        ]
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
        return file.name

    return write


def names(files):
    return [file.name for file in files]


def test_what_is_needed_is_picked_with_what_that_requires(wheel, tmp_path):
    wanted = wheel("runtime_x", requires=["server-y", "part[more]>=1", "far-away"])
    server = wheel("server_y")
    part = wheel("part", requires=["extra-part; extra == 'more'", "other; extra == 'less'", "part[more]"])
    extra = wheel("extra_part")
    wheel("other")

    assert names(pick(["Runtime.X", "nowhere"], tmp_path)) == sorted([wanted, server, part, extra])


def test_of_two_versions_the_newer_is_picked(wheel, tmp_path):
    wheel("part", "1.9")
    newer = wheel("part", "1.10")

    assert names(pick(["part"], tmp_path)) == [newer]


def test_a_folder_without_wheels_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="there are no wheels in"):
        pick(["part"], tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("part.whl", "is not the name of a wheel"), ("part-1.0-py3-none-any.whl", "is no wheel")]
)
def test_what_is_no_wheel_is_refused(tmp_path, name, message):
    (tmp_path / name).write_text("no zip")

    with pytest.raises(SettingsError, match=message):
        pick(["part"], tmp_path)


def test_releases_are_not_built(tmp_path):
    assert build_local(["numpy", "not-installed"], tmp_path) == []


def test_what_is_installed_from_a_folder_is_built_with_what_it_requires_of_others(tmp_path):
    """The distribution of the messages is the smallest that is installed so, and requires releases alone."""
    from importlib.metadata import version

    built = build_local(["mlcore-protocol"], tmp_path)

    assert names(built) == [f"mlcore_protocol-{version('mlcore-protocol')}-py3-none-any.whl"]
    assert "mlcore_protocol/py.typed" in zipfile.ZipFile(built[0]).namelist()
