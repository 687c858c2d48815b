"""The repository calls, in the protocol's service and in the older one of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from betterproto2 import which_one_of
from mlcore.load_parameters import version_of
from mlcore_protocol.protobuf.inference import model_repository

from transport_grpc.services.mapping import handlers

if TYPE_CHECKING:
    from types import ModuleType

    from grpclib.const import Handler
    from mlcore.control import ControlPlane

    from transport_grpc.services.mapping import Asked

NAME = "inference.model_repository.ModelRepositoryService"


class Repository:
    """Lists, loads and unloads models.

    Args:
        control: What does it.
        messages: The package whose messages are used; both have the same names.
    """

    def __init__(self, control: ControlPlane, messages: ModuleType) -> None:
        self._control = control
        self._messages = messages

    @property
    def methods(self) -> dict[str, tuple[Asked, type[Any]]]:
        """The methods, with the types of their requests."""
        return {
            "RepositoryIndex": (self._index, self._messages.RepositoryIndexRequest),
            "RepositoryModelLoad": (self._load, self._messages.RepositoryModelLoadRequest),
            "RepositoryModelUnload": (self._unload, self._messages.RepositoryModelUnloadRequest),
        }

    async def _index(self, request: Any) -> Any:
        items = await asyncio.to_thread(self._control.index, request.ready)
        made = self._messages.RepositoryIndexResponseModelIndex
        return self._messages.RepositoryIndexResponse(
            models=[
                made(name=item.name, version=item.version or "", state=item.state, reason=item.reason or "")
                for item in items
            ]
        )

    async def _load(self, request: Any) -> Any:
        self._control.check_repository_api()
        await self._control.load(request.model_name, version_of(_parameters(request)))
        return self._messages.RepositoryModelLoadResponse()

    async def _unload(self, request: Any) -> Any:
        self._control.check_repository_api()
        await self._control.unload(request.model_name, version_of(_parameters(request)))
        return self._messages.RepositoryModelUnloadResponse()


class OlderRepositoryService:
    """`inference.model_repository.ModelRepositoryService`, for clients of older servers.

    Args:
        control: What does it.
    """

    def __init__(self, control: ControlPlane) -> None:
        self._repository = Repository(control, model_repository)

    def __mapping__(self) -> dict[str, Handler]:
        """Return every method by its path, as grpclib asks for it."""
        return handlers(NAME, self._repository.methods)


def _parameters(request: Any) -> dict[str, Any]:
    """Return a request's parameters; the older service has none."""
    given = getattr(request, "parameters", {})
    return {name: which_one_of(value, "parameter_choice")[1] for name, value in given.items()}
