"""What this distribution offers to mlcore. It must not import scikit-learn: every server reads it at start."""

from __future__ import annotations

from mlcore import RuntimeOffer, hookimpl

ARTEFACTS = ("model.joblib", "model.pkl", "model.pickle", "model.skops")
"""The file names that are looked for, the preferred first."""

_RUNTIME = "runtime_sklearn.runtime:SklearnRuntime"


@hookimpl
def mlcore_runtimes() -> dict[str, RuntimeOffer | str]:
    """Offer the runtime as `sklearn`, and under the names that MLServer's folders use."""
    return {
        "sklearn": RuntimeOffer(_RUNTIME, artefacts=ARTEFACTS),
        "mlserver_sklearn.SKLearnModel": _RUNTIME,
        "mlserver_sklearn.sklearn.SKLearnModel": _RUNTIME,
    }
