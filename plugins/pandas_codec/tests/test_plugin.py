"""What the distribution offers, and what it costs a server that does not use it."""

import subprocess
import sys

import codec_pandas
import pytest
from codec_pandas import JsonCellsCodec, PandasCodec
from mlcore.plugins import Plugins


def test_the_codecs_are_found_by_content_type_and_by_hint():
    import pandas as pd

    codecs = Plugins().codecs

    assert codecs.request_codec("pd") is PandasCodec
    assert codecs.input_codec("pd") is None
    assert codecs.input_codec("pd_json") is JsonCellsCodec
    assert codecs.request_codec_of_hint(pd.DataFrame) is PandasCodec
    assert codecs.request_codec_for(pd.DataFrame()) is PandasCodec
    assert codecs.problems() == []


def test_the_hooks_import_no_pandas():
    program = "import codec_pandas.plugin, sys; print('pandas' in sys.modules, 'numpy' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]


def test_a_name_that_the_package_lacks_is_an_attribute_error():
    assert all(getattr(codec_pandas, name).__name__ == name for name in codec_pandas.__all__)
    with pytest.raises(AttributeError, match="module 'codec_pandas' has no attribute 'nothing'"):
        codec_pandas.nothing  # noqa: B018
