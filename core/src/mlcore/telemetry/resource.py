"""What a server calls itself towards whoever receives its telemetry."""

from __future__ import annotations

import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from mlcore.settings import Settings


def resource_of(settings: Settings) -> Resource:
    """Return what this process is; `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and the like win."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    given = OTELResourceDetector().detect().attributes
    own = {
        "service.name": settings.server_name,
        "service.version": settings.server_version or version("mlcore-core"),
        "service.instance.id": str(uuid.uuid4()),
    }
    return Resource.create({name: value for name, value in own.items() if name not in given})
