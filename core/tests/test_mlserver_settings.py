"""What became of MLServer's settings: nothing is left out, nothing is said of what is not there."""

import pytest
from mlcore.mlserver_settings import MODEL_PARAMETERS, MODEL_SETTINGS, SERVER_SETTINGS
from mlcore.settings import ModelParameters, ModelSettings, Settings

TABLES = [(SERVER_SETTINGS, Settings), (MODEL_SETTINGS, ModelSettings), (MODEL_PARAMETERS, ModelParameters)]
EVERY = [pytest.param(kind, name, setting, id=name) for table, kind in TABLES for name, setting in table.items()]


@pytest.mark.parametrize(("kind", "name", "setting"), EVERY)
def test_a_setting_of_mlserver_is_one_here_too_or_has_no_use_here(kind, name, setting):
    assert (name in kind.model_fields) != setting.is_useless


@pytest.mark.parametrize(("kind", "name", "setting"), EVERY)
def test_a_difference_is_told_in_sentences(kind, name, setting):
    assert not setting.difference or (setting.difference[0].isupper() and setting.difference.endswith("."))
    assert setting.difference.endswith("remove it.") == setting.is_useless
