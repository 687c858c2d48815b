"""The fixture `plugin`: a distribution that is really installed, for one test."""

import sys
from importlib.metadata import version

import pytest
from mlcore.plugins import Plugins

SOURCE = "from mlcore import hookimpl\n\n@hookimpl\ndef mlcore_runtimes():\n    return {NAME: 'a:B'}\n"


@pytest.mark.parametrize("name", ["first", "second"])
def test_each_test_has_its_own_plugin_of_a_name(plugin, name):
    assert "runtime_of_a_test" not in sys.modules

    plugin("runtime-of-a-test", SOURCE.replace("NAME", repr(name)), version="1.2")

    assert name in Plugins().runtimes
    assert version("runtime-of-a-test") == "1.2"


def test_plugins_that_are_installed_one_after_another_are_all_found(plugin):
    for number in range(5):
        plugin(f"runtime-number-{number}", SOURCE.replace("NAME", repr(f"number-{number}")))
        assert f"number-{number}" in Plugins().runtimes


def test_nothing_is_left_after_the_test():
    assert not [name for name in sys.modules if name.startswith("runtime_number_")]
    assert not [record for record in Plugins().records if record.distribution.startswith("runtime-number-")]


def test_another_process_finds_it(plugin, run):
    plugin("runtime-of-a-test", SOURCE.replace("NAME", "'wave'"))

    assert "wave" in run("plugins").stdout


def test_the_path_of_others_is_kept(outcomes):
    source = "import os\n\ndef test(plugin):\n    assert os.environ['PYTHONPATH'].endswith(':/somewhere/else')\n"

    assert outcomes(source, PYTHONPATH="/somewhere/else")[0] == {"passed": 1}
