"""The files of an image."""

import os

from command_build.context import copy_files, files_of, ignore_text


def names(place):
    return sorted(str(file.relative_to(place)) for file in files_of(place))


def test_what_no_image_needs_is_left_out(folder):
    place = folder(
        {
            ".env": "SECRET=1",
            ".git/config": "",
            "__pycache__/my_model.pyc": "",
            "lib/__pycache__/x.pyc": "",
            "lib/part.py": "",
            "env/pyvenv.cfg": "",
            "env/lib/big.so": "",
            "Dockerfile": "",
            ".dockerignore": "",
            ".config": "",
        }
    )

    assert names(place) == [".config", "lib/part.py", "model-settings.json", "my_model.py"]


def test_links_are_followed_but_not_in_circles(folder, tmp_path):
    place = folder()
    (tmp_path / "weights.bin").write_text("heavy")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1")
    (place / "weights.bin").symlink_to(tmp_path / "weights.bin")
    (place / "data").symlink_to(tmp_path / "data")
    (place / "again").symlink_to(place)
    (place / "nowhere").symlink_to(tmp_path / "nowhere")
    target = tmp_path / "context"
    target.mkdir()

    copy_files(place, target)

    assert names(target) == ["data/rows.csv", "model-settings.json", "my_model.py", "weights.bin"]
    assert not (target / "weights.bin").is_symlink()
    assert (target / "weights.bin").read_text() == "heavy"


def test_copies_can_be_read_by_everybody_and_the_folder_stays_as_it_is(folder, tmp_path):
    place = folder({"secret.bin": "x", "run.sh": ""})
    (place / "secret.bin").chmod(0o600)
    (place / "run.sh").chmod(0o700)
    target = tmp_path / "context"
    target.mkdir()

    copy_files(place, target)

    assert (target / "secret.bin").stat().st_mode & 0o777 == 0o644
    assert (target / "run.sh").stat().st_mode & 0o777 == 0o744
    assert (place / "secret.bin").stat().st_mode & 0o777 == 0o600
    assert os.path.samefile(place / "my_model.py", target / "my_model.py")  # no second copy of what may be heavy


def test_the_folders_own_lines_come_after_ours_and_before_what_has_to_be_there(folder):
    place = folder({".dockerignore": "*.csv\n!keep.csv\n"})

    lines = ignore_text(place, ("requirements.txt",)).splitlines()

    assert lines.index("**/__pycache__") < lines.index("*.csv") < lines.index("!keep.csv")
    assert lines[-1] == "!requirements.txt"
    assert (place / ".dockerignore").read_text() == "*.csv\n!keep.csv\n"
