import pytest
from mlcore.errors import ModelLoadError
from runtime_sklearn.options import Options


def test_nothing_has_to_be_set():
    assert Options.of({}) == Options(None, ())


def test_both_options_are_read():
    assert Options.of({"predict_fn": "transform", "trusted_types": ["a.B"]}) == Options("transform", ("a.B",))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"predict_fm": "x"}, "parameters.extra.predict_fm: unknown setting; did you mean 'predict_fn'?"),
        ({"colour": 1}, "parameters.extra.colour: unknown setting; there are predict_fn, trusted_types"),
        ({"predict_fn": 1}, "parameters.extra.predict_fn: expected a method's name, such as 'predict_proba', got 1"),
        ({"trusted_types": "a.B"}, "parameters.extra.trusted_types: expected a list of type names, got 'a.B'"),
        ({"trusted_types": [1]}, "parameters.extra.trusted_types: expected a list of type names, got [1]"),
    ],
)
def test_a_wrong_option_says_what_to_do(extra, message):
    with pytest.raises(ModelLoadError) as refused:
        Options.of(extra)

    assert str(refused.value) == message
