"""Methods of a model that answer HTTP requests of their own."""

from mlcore.handlers import custom_handler

__all__ = ["custom_handler"]
