"""Who is let in, and what for; and that nothing of the setting is ever shown."""

from hashlib import sha256

import pytest
from mlcore.access.certificates import names_in
from mlcore.access.guard import Guard
from mlcore.access.identity import Authenticator, Credentials, Identity, credentials_of
from mlcore.access.limit import Limit
from mlcore.access.scopes import Scopes
from mlcore.access.settings import ApiKeySettings, AuthSettings
from mlcore.errors import PermissionDeniedError, SettingsError, TooManyRequestsError, UnauthenticatedError
from mlcore.settings import Settings
from mlcore.settings_sources import read_settings
from pydantic import ValidationError

HASH = sha256(b"key-a").hexdigest()


def key(text, name="a", scopes=("infer",), **more):
    return {"name": name, "sha256": sha256(text.encode()).hexdigest(), "scopes": list(scopes), **more}


def guard(*keys, authenticators=()):
    return Guard.of(Settings(auth=AuthSettings(api_keys=keys)), authenticators)


def bearer(text):
    return Credentials(f"Bearer {text}".encode())


def test_without_the_setting_there_is_no_guard():
    assert Guard.of(Settings()) is None


def test_a_guard_that_would_let_in_nobody_ends_the_start():
    with pytest.raises(SettingsError, match=r"auth: nobody would be let in; name a key in auth\.api_keys"):
        Guard.of(Settings(auth=AuthSettings()))


def test_each_key_is_its_clients_and_old_and_new_keys_of_one_are_the_same_client():
    known = guard(key("old"), key("new"), key("other", "b"))

    old, new, other = (known.identify(bearer(text)) for text in ("old", "new", "other"))

    assert old is new
    assert (old.name, other.name) == ("a", "b")


@pytest.mark.parametrize("scheme", [b"Bearer old", b"bearer old", b"BEARER  old "])
def test_the_word_bearer_is_read_as_http_says(scheme):
    assert guard(key("old")).identify(Credentials(scheme)).name == "a"


@pytest.mark.parametrize(
    "authorization",
    [None, b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic old", b"old", b"Bearer \xff", b"Bearer " + b"x" * 9000],
)
def test_whoever_shows_no_key_that_is_known_is_nobody(authorization):
    with pytest.raises(UnauthenticatedError, match="Bearer") as error:
        guard(key("old")).identify(Credentials(authorization))

    assert "wrong" not in str(error.value)


def test_a_hash_is_no_key():
    with pytest.raises(UnauthenticatedError):
        guard(key("key-a")).identify(bearer(HASH))


def test_two_authorizations_are_refused_for_others_may_read_the_other_one():
    with pytest.raises(UnauthenticatedError, match="once, got it 2 times"):
        credentials_of([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])


def test_whoever_may_not_is_told_which_scope_it_lacks():
    known = guard(key("k", "ci", ["infer:a"]))

    assert known.admit(bearer("k"), "infer", "a").name == "ci"
    assert known.admit_for_some(bearer("k"), "infer").name == "ci"
    with pytest.raises(PermissionDeniedError, match=r"'ci' may not do this; it lacks the scope infer or infer:b$"):
        known.admit(bearer("k"), "infer", "b")
    with pytest.raises(PermissionDeniedError, match=r"lacks the scope repository$"):
        known.admit_for_some(bearer("k"), "repository")


def test_what_is_open_asks_nobody():
    assert guard(key("k")).admit(Credentials(None), "health") is None
    assert guard(key("k")).admit_for_some(Credentials(None), "health") is None


def test_an_action_that_nobody_listed_is_closed_to_strangers_too():
    with pytest.raises(UnauthenticatedError):
        guard(key("k")).admit(Credentials(None), "unheard-of")


def test_authenticators_of_plugins_are_asked_after_the_keys():
    class Named(Authenticator):
        def identify(self, credentials):
            return Identity("named", Scopes(["admin"])) if credentials.authorization == b"Own x" else None

    known = guard(key("k"), authenticators=[Named()])

    assert known.identify(bearer("k")).name == "a"
    assert known.identify(Credentials(b"Own x")).name == "named"
    assert Guard.of(Settings(auth=AuthSettings()), [Named()]).identify(Credentials(b"Own x")).name == "named"


# --- limits ---


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_rate_lets_so_many_requests_begin_in_a_second_and_says_when_the_next_one_may():
    clock = Clock()
    limit = Limit("ci", 2.0, None, clock)

    limit.spend()
    limit.spend()
    with pytest.raises(TooManyRequestsError, match="'ci' asks more often than its rate allows, 2 ") as error:
        limit.spend()

    assert error.value.retry_after_s == pytest.approx(0.5)
    clock.now = 0.5
    limit.spend()
    with pytest.raises(TooManyRequestsError):
        limit.spend()
    clock.now = 1e9  # a pause earns no more than a second of them
    limit.spend()
    limit.spend()
    with pytest.raises(TooManyRequestsError):
        limit.spend()


def test_a_rate_below_one_lets_one_begin():
    clock = Clock()
    limit = Limit("ci", 0.1, None, clock)

    limit.spend()
    with pytest.raises(TooManyRequestsError) as error:
        limit.spend()

    assert error.value.retry_after_s == pytest.approx(10)


def test_no_more_are_under_way_than_the_concurrency_allows():
    limit = Limit("ci", None, 1)

    limit.begin()
    with pytest.raises(TooManyRequestsError, match="has 1 requests under way"):
        limit.begin()
    limit.leave()
    limit.begin()

    assert limit.under_way == 1


def test_a_request_that_its_rate_refuses_is_not_under_way():
    limit = Limit("ci", 1.0, 5, Clock())

    limit.begin()
    with pytest.raises(TooManyRequestsError):
        limit.begin()

    assert limit.under_way == 1


# --- the setting ---


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ({"api_keys": [{**key("k"), "sha256": "hunter2"}]}, "auth.api_keys.0.sha256: expected 64 hexadecimal digits"),
        ({"api_keys": [{**key("k"), "sha256": 7}]}, "auth.api_keys.0.sha256"),
        (
            {"api_keys": [{**key("k"), "scopes": ["inferr"]}]},
            "expected admin, infer, metadata, metrics, repository or infer:MODEL",
        ),
        ({"api_keys": [{**key("k"), "scopes": ["infer:"]}]}, "infer:MODEL"),
        ({"api_keys": [{**key("k"), "scopes": []}]}, "auth.api_keys.0.scopes"),
        ({"api_keys": [{**key("k"), "rate": 0}]}, "auth.api_keys.0.rate"),
        (
            {"api_keys": [{**key("k"), "sha265": HASH}]},
            "auth.api_keys.0.sha265: unknown setting; did you mean 'sha256'",
        ),
        ({"api_keys": [key("k"), key("l", scopes=["admin"])]}, "those of the name a differ in more than sha256"),
        ({"api_keys": [key("k"), key("k", "b")]}, "the same sha256 stands there twice"),
        ("hunter2", "auth"),
    ],
)
def test_a_mistake_in_the_setting_is_told_without_what_stands_there(auth, told):
    with pytest.raises(SettingsError) as error:
        read_settings(options={"auth": auth})

    assert told in str(error.value)
    assert "hunter2" not in str(error.value)
    assert not any(text in str(error.value) for text in (HASH, key("k")["sha256"]))


def test_a_variable_that_is_no_json_is_not_shown(monkeypatch):
    monkeypatch.setenv("MLCORE_AUTH", '{"api_keys": hunter2}')

    with pytest.raises(SettingsError, match=r"MLCORE_AUTH: .*, got a secret") as error:
        read_settings()

    assert "hunter2" not in str(error.value)


def test_no_hash_is_shown_by_repr_or_by_an_error_of_python():
    settings = Settings(auth=AuthSettings(api_keys=[key("k")]))

    assert key("k")["sha256"] not in repr(settings) + repr(settings.auth) + repr(settings.auth.api_keys)
    with pytest.raises(ValidationError) as error:
        Settings(auth={"api_keys": [{**key("k"), "sha256": "hunter2"}]})
    assert "hunter2" not in str(error.value)
    with pytest.raises(ValidationError) as error:
        ApiKeySettings(**{**key("k"), "sha256": "hunter2"})
    assert "hunter2" not in str(error.value)


# --- certificates ---


def test_the_names_in_a_certificate_have_their_kinds():
    certificate = {
        "subject": ((("countryName", "XX"),), (("commonName", "a"),)),
        "subjectAltName": (("DNS", "b.example"), ("URI", "spiffe://c/d"), ("email", "e@f"), ("IP Address", "::1")),
    }

    assert names_in(certificate) == ("CN=a", "DNS=b.example", "URI=spiffe://c/d", "email=e@f")
    assert names_in(None) == names_in({}) == ()


def test_certificates_need_an_authority():
    with pytest.raises(SettingsError, match=r"auth\.certificates: no client is asked for one; set tls_client_ca"):
        Guard.of(Settings(auth={"certificates": [{"name": "a", "subject": "CN=a", "scopes": ["infer"]}]}))


def test_a_certificate_is_not_known_by_a_name_of_another_kind():
    line = {"name": "a", "subject": "CN=a", "scopes": ["infer"]}
    known = Guard.of(Settings(auth={"certificates": [line]}, tls_client_ca="ca.pem"))

    assert known.identify(Credentials(None, ("DNS=x", "CN=a"))).name == "a"
    with pytest.raises(UnauthenticatedError):
        known.identify(Credentials(None, ("DNS=a",)))
