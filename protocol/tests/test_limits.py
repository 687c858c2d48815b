"""Tests of the limits."""

import pytest
from mlcore_protocol import Limits


def test_limits_stay_as_they_were_made():
    limits = Limits(max_tensors=3)

    with pytest.raises(AttributeError):
        limits.max_tensors = 4  # type: ignore[misc]
    assert limits == Limits(max_tensors=3)


def test_limits_are_given_by_name():
    with pytest.raises(TypeError):
        Limits(3)  # type: ignore[misc]
