"""The version of mlcore that stands in for MLServer."""

from __future__ import annotations

from mlcore.control import mlcore_version

__all__ = ["__version__"]

__version__ = mlcore_version()
