"""The runtimes of MLServer: which of them mlcore has, and what to do about the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from mlcore import ModelSettings

REPLACED = {"mlserver_sklearn": "runtime-sklearn"}
"""The package of a runtime, to the distribution that replaces it."""

MISSING = {
    "mlserver_alibi_detect": "Alibi Detect",
    "mlserver_alibi_explain": "Alibi Explain",
    "mlserver_catboost": "CatBoost",
    "mlserver_huggingface": "HuggingFace pipelines",
    "mlserver_lightgbm": "LightGBM",
    "mlserver_mlflow": "MLflow models",
    "mlserver_mllib": "Spark MLlib",
    "mlserver_onnx": "ONNX models",
    "mlserver_xgboost": "XGBoost",
}
"""The packages of runtimes that mlcore has none for, with what they serve."""


def advice(implementation: str) -> str:
    """Return what is missing for a runtime of MLServer, and what to do; empty if it is none of them."""
    package = implementation.replace(":", ".").partition(".")[0]
    if package in REPLACED:
        return f"it is replaced by {REPLACED[package]}, which is not installed: pip install {REPLACED[package]}"
    if package in MISSING:
        return (
            f"mlcore has no runtime for {MISSING[package]} yet; load the model in a class of your own, of ten lines or "
            "so (docs/write-a-model.md), and name that class here"
        )
    return ""


def refuse_missing(settings: ModelSettings) -> None:
    """Say what is missing, where a model names a runtime of MLServer.

    Raises:
        ModelLoadError: It does.
    """
    told = advice(settings.implementation)
    if told:
        raise ModelLoadError(f"implementation: '{settings.implementation}': {told}")
