"""CloudEvents headers around a model's `predict`, as MLServer's answers have them; only where a setting asks for them.

Source: CloudEvents 0.3, HTTP binding, and the names that Seldon's deployments give to their events.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from mlcore_protocol import InferenceRequest, InferenceResponse, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.predict import Predict
    from mlcore.settings import ModelSettings, Settings

# Where Kubernetes tells a pod its namespace.
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_REQUEST = "io.seldon.serving.inference.request"
_RESPONSE = "io.seldon.serving.inference.response"


def cloud_events(
    model: ModelSettings, server: Settings, namespace_file: Path = NAMESPACE_FILE
) -> Callable[[Predict], Predict]:
    """Return a wrapper of a model's predict that adds the headers to what goes in, and to what comes out.

    Args:
        model: The model's settings.
        server: The server's settings.
        namespace_file: Where the namespace is, if there is one.
    """
    namespace = _text_of(namespace_file)
    source = f"io.seldon.serving.deployment.{server.server_name}"
    always = {
        "Ce-Specversion": "0.3",
        "Ce-Source": f"{source}.{namespace}" if namespace else source,
        "Ce-Modelid": model.name,
        "Ce-Inferenceservicename": server.server_name,
        "Ce-Endpoint": model.name,
        **({"Ce-Namespace": namespace} if namespace else {}),
    }

    def wrapper(predict: Predict) -> Predict:
        async def with_events(request: InferenceRequest) -> InferenceResponse:
            own = {**always, "Ce-Id": request.id or "", "Ce-Requestid": request.id or ""}
            request.parameters = _with_headers(request.parameters, {**own, "Ce-Type": _REQUEST})
            response = await predict(request)
            if not isinstance(response, InferenceResponse):
                return response  # what it is, is checked before it is encoded
            # Not its own parameters: the model may keep its response, and give it again.
            parameters = _with_headers(response.parameters, {**own, "Ce-Type": _RESPONSE})
            return msgspec.structs.replace(response, parameters=parameters)

        return with_events

    return wrapper


def _with_headers(parameters: Parameters | None, headers: dict[str, str]) -> Parameters:
    known = parameters if parameters is not None else Parameters()
    return Parameters({**known, "headers": {**(known.get("headers") or {}), **headers}})


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
