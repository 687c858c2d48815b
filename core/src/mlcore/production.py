"""What a server should keep to before strangers reach it: one table, which `mlcore check --production` verifies.

The page docs/hardening.md has the same table.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from mlcore.access.exposure import knows_clients
from mlcore.errors import SettingsError
from mlcore.listening import is_loopback
from mlcore.settings import secrets_of
from mlcore.settings_file import read_json
from mlcore.settings_sources import MODEL_SETTINGS_FILE, SETTINGS_FILE
from mlcore.tls import ServerTls
from mlcore.tls.server_tls import is_readable_by_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlcore.settings import Settings


class Rule(NamedTuple):
    """One thing that has to hold.

    Attributes:
        id: Its name in what the command prints.
        wanted: What has to hold.
        remedy: What to do if it does not.
        is_broken: Says of the settings, and of the folder, whether it does not hold.
    """

    id: str
    wanted: str
    remedy: str
    is_broken: Callable[[Settings, Path], bool]


def findings(settings: Settings, folder: Path) -> list[str]:
    """Return what does not hold, each in one line that says how to mend it.

    Args:
        settings: The server's settings.
        folder: The folder that is served.
    """
    broken = [rule for rule in RULES if rule.is_broken(settings, folder)]
    return [f"production: {rule.id}: {rule.wanted}; {rule.remedy}" for rule in broken]


def _is_open(settings: Settings, _: Path) -> bool:
    return not is_loopback(settings.host)


def _is_plain(settings: Settings, folder: Path) -> bool:
    return _is_open(settings, folder) and not settings.tls_certificate


def _is_certificate_old(settings: Settings, _: Path) -> bool:
    try:
        return any("expire" in remark for remark in ServerTls(settings).remarks())
    except SettingsError:
        return True


def _is_key_open(settings: Settings, _: Path) -> bool:
    file = settings.tls_key or settings.tls_certificate
    return bool(file) and is_readable_by_all(file)


def _is_anonymous(settings: Settings, folder: Path) -> bool:
    return _is_open(settings, folder) and not knows_clients(settings)


def _is_repository_open(settings: Settings, folder: Path) -> bool:
    return _is_anonymous(settings, folder) and bool(settings.repository_api)


def _has_secret(settings: Settings, folder: Path) -> bool:
    file = folder / SETTINGS_FILE
    if not file.exists():
        return False
    try:
        # auth has only hashes of keys that nobody can guess.
        return bool(set(read_json(file, str(file))) & secrets_of(type(settings)) - {"auth"})
    except SettingsError:  # which the check itself says
        return False


def _is_writable_by_all(_: Settings, folder: Path) -> bool:
    """Look at the folder and at what is in it: whoever may write there chooses the code that is run."""
    places = [folder, *folder.rglob("*")]
    return any(not place.is_symlink() and place.stat().st_mode & stat.S_IWOTH for place in places)


def _has_unpinned(_: Settings, folder: Path) -> bool:
    return not all(map(_is_pinned, folder.rglob(MODEL_SETTINGS_FILE)))


def _is_pinned(file: Path) -> bool:
    try:
        parameters = read_json(file, str(file)).get("parameters")
    except SettingsError:  # which the check itself says
        return True
    return isinstance(parameters, dict) and bool(parameters.get("digest"))


def _takes_any_origin(settings: Settings, _: Path) -> bool:
    return settings.cors_settings is not None and "*" in settings.cors_settings.allow_origins


RULES = (
    Rule("tls", "beyond this machine, connections are encrypted", "set tls_certificate and tls_key", _is_plain),
    Rule(
        "certificate",
        "the certificate counts for 14 days more",
        "replace the file that tls_certificate names",
        _is_certificate_old,
    ),
    Rule("key", "the key is the server's alone", "chmod 600 the file that tls_key names", _is_key_open),
    Rule(
        "clients",
        "beyond this machine, only known clients are let in",
        "set auth, or tls_client_ca with tls_client_verify left at required",
        _is_anonymous,
    ),
    Rule(
        "repository-api",
        "nobody unknown loads and unloads models",
        "leave repository_api out, or let in known clients only",
        _is_repository_open,
    ),
    Rule(
        "plugins",
        "plugins load by a list",
        "name the distributions that may in plugins.allow; mlcore plugins shows those that there are",
        lambda settings, _: settings.plugins.allow is None,
    ),
    Rule(
        "folder",
        "nobody else writes into the folder, whose files are code",
        "chmod -R o-w the folder",
        _is_writable_by_all,
    ),
    Rule(
        "digests",
        "every model has the digest of its files",
        "write them with mlcore pin, where the files are known to be right",
        _has_unpinned,
    ),
    Rule(
        "pickle",
        "no pickle is read that was not pinned",
        "set pickle to pinned or deny",
        lambda settings, _: settings.pickle == "allow",
    ),
    Rule("secrets", "no secret stands in settings.json", "give it as a variable, MLCORE_...", _has_secret),
    Rule(
        "debug",
        "the log is not that of a developer",
        "leave debug out, and set log_level to INFO or above",
        lambda settings, _: settings.debug or settings.log_level == "DEBUG",
    ),
    Rule(
        "request-timeout",
        "a request that never ends is given up",
        "set request_timeout",
        lambda settings, _: settings.request_timeout is None,
    ),
    Rule(
        "cors",
        "no web page of just anybody may call",
        "name the origins in cors_settings.allow_origins",
        _takes_any_origin,
    ),
    Rule(
        "docs-page",
        "the documentation page is off",
        "set docs_page to false",
        lambda settings, _: settings.docs_page,
    ),
    Rule(
        "workers",
        "models live in processes of their own",
        "set parallel_workers to 1 or more",
        lambda settings, _: settings.parallel_workers == 0,
    ),
    Rule(
        "kafka",
        "brokers are spoken to over TLS",
        "set kafka_security_protocol to SSL or SASL_SSL",
        lambda settings, _: settings.kafka_enabled and not settings.kafka_security_protocol.endswith("SSL"),
    ),
    Rule("root", "the server does not run as root", "run it as another user", lambda *_: os.geteuid() == 0),
)
"""Every rule, in the order in which it is shown."""
