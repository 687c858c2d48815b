"""Warm-up: requests of a model's settings, run before the first client's, through all that a client's run through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mlcore.engine import Call
from mlcore.errors import MLCoreError, ModelLoadError
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from mlcore.hosted_model import HostedModel
    from mlcore.settings import ModelSettings

log = get_logger("mlcore.host")


async def warm_up(hosted: HostedModel, settings: ModelSettings) -> None:
    """Run the requests that the settings name.

    Raises:
        ModelLoadError: One of them is not answered; the message names it.
    """
    began = time.monotonic()
    for index, request in enumerate(settings.warmup):
        body = msgspec.json.encode(request)
        call = Call(settings.name, settings.parameters.version, "application/json", body)
        try:
            await hosted.infer(call)
        except MLCoreError as error:
            raise ModelLoadError(f"warmup[{index}]: {error}") from error
    if settings.warmup:
        took_s = round(time.monotonic() - began, 3)
        log.info("model warmed up", model=settings.name, requests=len(settings.warmup), took_s=took_s)
