"""Clients that are known by a key. The server has only hashes: whoever reads its settings has no key."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

from mlcore.access.identity import Authenticator, Identity
from mlcore.access.limit import Limit
from mlcore.access.scopes import Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.access.identity import Credentials
    from mlcore.access.settings import ApiKeySettings

# By which tools that look for secrets in files know one.
_PREFIX = "mlcore_"
# A key is as random as its hash is long, so that no salt and no slow hash is needed.
_RANDOM_BYTES = 32


class ApiKeys(Authenticator):
    """Knows clients by `Authorization: Bearer KEY`.

    Args:
        keys: Whose keys there are.
    """

    def __init__(self, keys: Iterable[ApiKeySettings]) -> None:
        self._known: list[tuple[bytes, Identity]] = []
        by_name: dict[str, Identity] = {}
        for key in keys:
            if key.name not in by_name:
                limit = Limit.of(key.name, key.rate, key.concurrency)
                by_name[key.name] = Identity(key.name, Scopes(key.scopes), limit)
            self._known.append((bytes.fromhex(key.sha256), by_name[key.name]))

    def identify(self, credentials: Credentials) -> Identity | None:
        """Return whose key is shown. It is compared with every key, so that the time says nothing."""
        scheme, _, key = (credentials.authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        digest = sha256(key.strip()).digest()
        found = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found


def new_key() -> tuple[str, str]:
    """Return a new key, and its hash for the settings."""
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return key, sha256(key.encode()).hexdigest()
