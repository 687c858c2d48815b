"""Which scope allows which action."""

import pytest
from mlcore.access.scopes import NEEDED, Scopes


@pytest.mark.parametrize("action", NEEDED)
@pytest.mark.parametrize("scope", ["infer", "metadata", "repository", "metrics"])
def test_a_scope_allows_its_own_actions_and_what_is_open(action, scope):
    assert Scopes([scope]).allow(action, "m") == (NEEDED[action] is None or scope in NEEDED[action])


@pytest.mark.parametrize("action", NEEDED)
def test_admin_allows_every_action(action):
    assert Scopes(["admin"]).allow(action)


def test_infer_of_one_model_allows_no_other():
    scopes = Scopes(["infer:a"])

    assert scopes.allow("infer", "a")
    assert not scopes.allow("infer", "b")
    assert not scopes.allow("infer")
    assert scopes.allow_for_some("infer")
    assert scopes.allow("ready", "a")
    assert not scopes.allow("ready", "b")
    assert not scopes.allow_for_some("metadata")


def test_an_action_that_nobody_listed_is_denied_even_to_admin():
    assert not Scopes(["admin"]).allow("unheard-of")
