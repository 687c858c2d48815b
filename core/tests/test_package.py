"""The package itself: its names, imported at first use."""

import subprocess
import sys

import mlcore
import mlcore.codecs
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


# --- names that moved into a plugin ---


def run_python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_the_pandas_codec_is_found_where_model_code_looks_for_it_and_pandas_comes_with_it_only():
    program = (
        "import sys, mlcore.codecs; assert 'pandas' not in sys.modules; assert 'codec_pandas' not in sys.modules\n"
        "import codec_pandas\n"
        "from mlcore.codecs import PandasCodec; assert PandasCodec is codec_pandas.PandasCodec\n"
    )
    pytest.importorskip("codec_pandas")

    assert run_python(program).stderr == ""


def test_without_its_distribution_the_pandas_codec_says_what_to_install():
    done = run_python("import sys; sys.modules['codec_pandas'] = None\nfrom mlcore.codecs import PandasCodec")

    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: PandasCodec is not part of the core: install the distribution codec-pandas"
    )


def test_a_module_that_the_pandas_codec_lacks_is_named_itself():
    done = run_python("import sys; sys.modules['pandas'] = None\nfrom mlcore.codecs import PandasCodec")

    assert "import of pandas halted" in done.stderr


def test_other_names_of_the_codecs_are_as_missing_as_ever():
    with pytest.raises(AttributeError, match=r"module 'mlcore.codecs' has no attribute 'nothing'"):
        mlcore.codecs.nothing  # noqa: B018
