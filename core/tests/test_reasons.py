"""Reasons: one line, and nothing of this machine in it."""

import pytest
from mlcore.errors import ModelLoadError
from mlcore.reasons import one_line, reason_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("there is no '/srv/models/x/model.bin'", "there is no 'model.bin'"),
        ("cannot import x (/usr/lib/python3/y.py)", "cannot import x (y.py)"),
        ("/a/b.txt and /c/d.txt", "b.txt and d.txt"),
        ("file:///srv/models/x.bin", "x.bin"),
        ("~/models/x.pkl, ~user/x/y.pkl", "x.pkl, y.pkl"),
        (r"C:\Users\somebody\model.bin is gone", "model.bin is gone"),
        ("sub/dir/model-settings.json: line 1", "sub/dir/model-settings.json: line 1"),
        ("./a/b and ../a/b", "./a/b and ../a/b"),
        ("https://host.example/a/b/c", "https://host.example/a/b/c"),
        ("POST /v2/repository/index says why", "POST /v2/repository/index says why"),
        ("1/2 or 3 / 4", "1/2 or 3 / 4"),
    ],
)
def test_absolute_paths_lose_their_folders_and_nothing_else_does(text, shown):
    assert one_line(text) == shown


def test_lines_become_one():
    assert one_line("one\n\n   two\tand \r\n three ") == "one; two and; three"


def test_a_novel_is_cut():
    assert len(one_line("x" * 5000)) == 2003


def test_an_error_of_ours_needs_no_class_name():
    assert reason_of(ModelLoadError("no such file")) == "no such file"
    assert reason_of(KeyError("a")) == "KeyError: 'a'"
