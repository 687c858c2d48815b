"""Values that were decoded once and are kept with the tensor they came from, for request codecs to take up."""

from __future__ import annotations

from typing import Any

import msgspec
from mlcore_protocol import InferenceRequest, InferenceResponse, Parameters, RequestInput, RequestOutput, ResponseOutput

Parametrised = InferenceRequest | InferenceResponse | RequestInput | RequestOutput | ResponseOutput

DecodedParameterName = "_decoded_payload"
"""The attribute of the parameters that holds the value."""


class DecodedParameters(Parameters):
    """Parameters beside which a decoded value is kept; it is none of them, so it never leaves for a client."""

    __slots__ = (DecodedParameterName,)


def with_decoded(parametrised: Any, value: Any) -> Any:
    """Return a copy of a tensor or a request that keeps its decoded value."""
    copy = msgspec.structs.replace(parametrised)
    copy.parameters = DecodedParameters(copy.parameters or {})
    object.__setattr__(copy.parameters, DecodedParameterName, value)
    return copy


def has_decoded(parametrised_obj: Parametrised) -> bool:
    """Say whether a decoded value is kept."""
    return hasattr(parametrised_obj.parameters, DecodedParameterName)


def get_decoded(parametrised_obj: Parametrised) -> Any:
    """Return the decoded value that is kept, or `None`."""
    return getattr(parametrised_obj.parameters, DecodedParameterName, None)


def get_decoded_or_raw(parametrised_obj: Parametrised) -> Any:
    """Return the decoded value that is kept, else the tensor's data, or the request itself."""
    if has_decoded(parametrised_obj):
        return get_decoded(parametrised_obj)
    return getattr(parametrised_obj, "data", parametrised_obj)
