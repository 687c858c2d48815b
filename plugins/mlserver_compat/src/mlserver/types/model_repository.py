"""The messages of the model repository."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from mlcore_protocol import RepositoryIndexItem as RepositoryIndexResponseItem
from mlcore_protocol.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "RepositoryIndexRequest",
    "RepositoryIndexResponse",
    "RepositoryIndexResponseItem",
    "RepositoryLoadErrorResponse",
    "RepositoryUnloadErrorResponse",
    "State",
]


class State(StrEnum):
    """The states of a model."""

    UNKNOWN = "UNKNOWN"
    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"


class RepositoryIndexRequest(Message, kw_only=True):
    """What a client asks for: every model, or only those that are ready."""

    ready: bool | None = None


@dataclass
class RepositoryIndexResponse:
    """The models of a repository, as a list."""

    root: list[RepositoryIndexResponseItem]

    @classmethod
    def model_validate(cls, plain: list[Any]) -> Self:
        """Make it from a list of dicts."""
        return cls([RepositoryIndexResponseItem.model_validate(item) for item in plain])

    parse_obj = model_validate

    def model_dump(self) -> list[dict[str, Any]]:
        """Return the models as dicts."""
        return [item.model_dump() for item in self.root]

    dict = model_dump

    def __iter__(self) -> Iterator[RepositoryIndexResponseItem]:
        return iter(self.root)

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, index: int) -> RepositoryIndexResponseItem:
        return self.root[index]


class RepositoryLoadErrorResponse(Message, kw_only=True):
    """What a client is told of an error."""

    error: str | None = None


class RepositoryUnloadErrorResponse(RepositoryLoadErrorResponse, kw_only=True):
    """What a client is told of an error."""
