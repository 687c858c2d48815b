import subprocess
import sys

import pytest
from mlcore.implementation import resolve
from mlcore.plugins import Plugins


@pytest.mark.parametrize("name", ["sklearn", "mlserver_sklearn.SKLearnModel", "mlserver_sklearn.sklearn.SKLearnModel"])
def test_every_name_leads_to_the_runtime(name):
    target = resolve(name, Plugins().runtimes, [])

    assert (target.module, target.name) == ("runtime_sklearn.runtime", "SklearnRuntime")


def test_the_hooks_import_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import runtime_sklearn.plugin"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "runtime_sklearn.plugin" in imported
    assert imported.isdisjoint({"sklearn", "pandas", "joblib", "skops", "scipy", "numpy.testing", "litestar"})


def test_the_runtime_itself_imports_without_scikit_learn():
    program = "import runtime_sklearn.runtime, sys; print('sklearn' in sys.modules, 'pandas' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
