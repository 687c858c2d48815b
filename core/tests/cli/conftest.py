"""A fixture for commands whose answer is the same in this process as in one of their own, and much sooner there."""

from types import SimpleNamespace

import pytest
from mlcore.cli import main


@pytest.fixture
def mlcore(capfd):
    """Return a function that runs `mlcore` with some arguments in this process, and returns what it did."""

    def mlcore(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ending:  # argparse ends the program itself
            code = ending.code
        written = capfd.readouterr()
        return SimpleNamespace(stdout=written.out, stderr=written.err, returncode=code)

    return mlcore
