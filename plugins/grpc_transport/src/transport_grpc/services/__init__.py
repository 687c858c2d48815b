"""What is served: each service is a class whose `__mapping__` grpclib would serve too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transport_grpc.services.health import HealthService
from transport_grpc.services.inference import InferenceService
from transport_grpc.services.reflection import ReflectionService
from transport_grpc.services.repository import OlderRepositoryService

if TYPE_CHECKING:
    from grpclib._typing import IServable
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings


def services(settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> list[IServable]:
    """Make every service."""
    served: list[IServable] = [
        InferenceService(settings, dispatcher, control),
        OlderRepositoryService(control),
        HealthService(control),
    ]
    names = sorted({path.split("/")[1] for service in served for path in service.__mapping__()})
    return [*served, *ReflectionService.every_version(names)]
