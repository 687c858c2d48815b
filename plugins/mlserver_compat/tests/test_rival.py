"""MLServer itself beside this distribution: refused where the names are imported, and where a folder is checked."""

import subprocess
import sys

import pytest
from mlcore_mlserver.rival import RivalError, refuse_rival


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Install a distribution that is called as MLServer is."""
    info = tmp_path / "installed" / "mlserver-1.7.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mlserver\nVersion: 1.7.1\n")
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.setenv("PYTHONPATH", str(info.parent))


def test_without_it_nothing_is_refused():
    refuse_rival()


@pytest.mark.usefixtures("beside")
def test_beside_it_the_error_says_which_to_uninstall():
    with pytest.raises(RivalError) as raised:
        refuse_rival()

    assert str(raised.value) == (
        "mlserver 1.7.1 and mlcore-mlserver are both installed, and have overwritten files of each other. To serve "
        "with mlcore: pip uninstall mlserver mlcore-mlserver, then pip install mlcore-mlserver"
    )


@pytest.mark.usefixtures("beside")
def test_beside_it_the_names_are_not_imported():
    done = subprocess.run([sys.executable, "-c", "import mlserver"], capture_output=True, text=True)

    assert done.returncode == 1
    assert "mlserver 1.7.1 and mlcore-mlserver are both installed" in done.stderr


@pytest.mark.usefixtures("beside")
def test_beside_it_a_check_of_a_folder_names_it(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model-settings.json").write_text('{"implementation": "my_model.MyModel"}')
    (tmp_path / "m" / "my_model.py").write_text("from mlcore import MLModel\n\n\nclass MyModel(MLModel):\n    pass\n")

    done = subprocess.run(
        [sys.executable, "-m", "mlcore", "check", str(tmp_path / "m")], capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "plugin mlcore-mlserver:mlserver: fails to import: RivalError: mlserver 1.7.1 and" in done.stdout
