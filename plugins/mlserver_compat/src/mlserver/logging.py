"""The logger that models write to. Its lines go where those of mlcore go."""

from __future__ import annotations

import logging

__all__ = ["get_logger", "logger"]


def get_logger() -> logging.Logger:
    """Return the logger."""
    return logger


logger = logging.getLogger("mlserver")
logger.parent = logging.getLogger("mlcore")  # its level is that of the server's setting, not the warnings of others
