"""Whether MLServer itself is installed too: two distributions cannot share the import name `mlserver`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


class RivalError(ImportError):
    """MLServer is installed beside this distribution, and one has overwritten files of the other."""


def refuse_rival() -> None:
    """Refuse to go on beside MLServer itself.

    Raises:
        RivalError: It is installed.
    """
    try:
        found = version("mlserver")
    except PackageNotFoundError:
        return
    raise RivalError(
        f"mlserver {found} and mlcore-mlserver are both installed, and have overwritten files of each other. "
        "To serve with mlcore: pip uninstall mlserver mlcore-mlserver, then pip install mlcore-mlserver"
    )
