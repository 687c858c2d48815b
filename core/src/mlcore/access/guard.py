"""The guard that every transport asks before it reads anything: who is it, and may it do this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.access.api_keys import ApiKeys
from mlcore.access.certificates import ClientCertificates
from mlcore.access.scopes import NEEDED, needed_for
from mlcore.errors import PermissionDeniedError, SettingsError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from mlcore.access.identity import Authenticator, Credentials, Identity
    from mlcore.settings import Settings

CHALLENGE = "Bearer"
"""What `WWW-Authenticate` says to whoever is not known."""


class Guard:
    """Lets in who is known, and may do what it asks.

    Args:
        authenticators: The ways to know clients; the first that knows one counts.
    """

    def __init__(self, authenticators: Iterable[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    @classmethod
    def of(cls, settings: Settings, authenticators: Iterable[Authenticator] = ()) -> Self | None:
        """Return the guard that the settings ask for; `None` if they ask for none.

        Args:
            settings: The server's settings.
            authenticators: The ways to know clients that plugins offer.

        Raises:
            SettingsError: They ask for one that would let in nobody.
        """
        if settings.auth is None:
            return None
        own: list[Authenticator] = [ApiKeys(settings.auth.api_keys)] if settings.auth.api_keys else []
        if settings.auth.certificates:
            if not settings.tls_client_ca:
                raise SettingsError("auth.certificates: no client is asked for one; set tls_client_ca")
            own.append(ClientCertificates(settings.auth.certificates))
        every = [*own, *authenticators]
        if not every:
            raise SettingsError("auth: nobody would be let in; name a key in auth.api_keys, which mlcore key makes")
        return cls(every)

    def identify(self, credentials: Credentials) -> Identity:
        """Return who asks.

        Raises:
            UnauthenticatedError: Nobody knows.
        """
        for authenticator in self._authenticators:
            identity = authenticator.identify(credentials)
            if identity is not None:
                return identity
        if credentials.authorization is None:
            raise UnauthenticatedError("this needs credentials; send the header Authorization: Bearer KEY")
        raise UnauthenticatedError("Authorization: expected Bearer and a key that this server knows, got another")

    def check(self, identity: Identity, action: str, model: str | None = None) -> None:
        """Refuse what an identity may not do.

        Args:
            identity: Who asks.
            action: A key of `mlcore.access.scopes.NEEDED`.
            model: The model that is asked, where the action is of one.

        Raises:
            PermissionDeniedError: It may not; the message names the scope that it lacks.
        """
        if not identity.scopes.allow(action, model):
            raise _denied(identity, action, model)

    def admit(self, credentials: Credentials, action: str, model: str | None = None) -> Identity | None:
        """Do both: return who asks, or `None` where the action is open to everybody.

        Raises:
            UnauthenticatedError: Nobody knows who asks.
            PermissionDeniedError: It may not.
        """
        if NEEDED.get(action, ()) is None:
            return None
        identity = self.identify(credentials)
        self.check(identity, action, model)
        return identity

    def admit_for_some(self, credentials: Credentials, action: str) -> Identity | None:
        """Do the same where the model stands in what is not read yet; `check` has to follow once it is.

        Raises:
            UnauthenticatedError: Nobody knows who asks.
            PermissionDeniedError: It may not, whichever model it asks.
        """
        if NEEDED.get(action, ()) is None:
            return None
        identity = self.identify(credentials)
        if not identity.scopes.allow_for_some(action):
            raise _denied(identity, action, None)
        return identity


def _denied(identity: Identity, action: str, model: str | None) -> PermissionDeniedError:
    return PermissionDeniedError(f"'{identity.name}' may not do this; it lacks the scope {needed_for(action, model)}")
