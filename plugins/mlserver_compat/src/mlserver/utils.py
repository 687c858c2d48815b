"""What runtimes call to find their artefact, and a few more things that user code imports from here."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.artefacts import check_contained
from mlcore_protocol import Parameters

from mlserver.errors import InvalidModelURI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore import ModelSettings
    from mlcore_protocol import InferenceRequest, InferenceResponse

__all__ = ["extract_headers", "generate_uuid", "get_model_uri", "insert_headers", "to_absolute_path"]


async def get_model_uri(settings: ModelSettings, wellknown_filenames: Sequence[str] = ()) -> str:
    """Return where a model's artefact is.

    Args:
        settings: The model's settings.
        wellknown_filenames: What to look for in the model's folder, the preferred first.

    Returns:
        The file that `parameters.uri` names; or the first well-known file in the folder that it names, the model's
        own if absent; or that folder. An address of another kind is returned as it is.

    Raises:
        InvalidModelURI: There is no such file or folder.
    """
    return _model_uri(settings, wellknown_filenames)


def _model_uri(settings: ModelSettings, names: Sequence[str]) -> str:
    uri = settings.parameters.uri
    if uri is not None and "://" in uri and not uri.startswith("file://"):
        return uri
    place = Path(to_absolute_path(settings, (uri or "").removeprefix("file://")))
    check_contained(settings, place, uri or ".")
    if not place.exists():
        raise InvalidModelURI(settings.name, uri)
    found = (place / name for name in names if (place / name).is_file())
    return str(place if place.is_file() else next(found, place))


def to_absolute_path(model_settings: ModelSettings, uri: str) -> str:
    """Return a path that is relative to the model's folder as an absolute one."""
    return str((model_settings.folder or Path.cwd()) / Path(uri).expanduser())


def generate_uuid() -> str:
    """Return a new id."""
    return str(uuid.uuid4())


def insert_headers(inference_request: InferenceRequest, headers: dict[str, str]) -> InferenceRequest:
    """Put headers into the parameters of a request, in place of any that are there."""
    inference_request.parameters = Parameters({**(inference_request.parameters or {}), "headers": headers})
    return inference_request


def extract_headers(inference_response: InferenceResponse) -> dict[str, Any] | None:
    """Take the headers out of the parameters of a response."""
    return None if inference_response.parameters is None else inference_response.parameters.pop("headers", None)
