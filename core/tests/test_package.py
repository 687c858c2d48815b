"""The package itself: its names, imported at first use."""

import subprocess
import sys

import mlcore
import mlcore.testing
import pytest
from mlcore.transport import Transport


@pytest.mark.parametrize("package", [mlcore, mlcore.testing])
def test_every_name_is_there_and_no_other(package):
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("module", ["mlcore", "mlcore.testing", "mlcore.testing.pytest_plugin"])
def test_what_every_pytest_run_imports_is_light(module):
    program = f"import {module}, sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert not {"numpy", "pydantic", "mlcore.server", "mlcore.testing.contract"} & set(done.stdout.split())


def test_the_program_is_a_module_too(run):
    assert run("--version").stdout.startswith("mlcore ")


def test_a_transport_serves_no_extension_unless_it_says_so():
    class Bare(Transport):
        name = "bare"
        url = ""

        def bind(self): ...

        async def start(self): ...

        async def stop(self, grace_s): ...

    assert Bare(None, None, None).extensions == []
