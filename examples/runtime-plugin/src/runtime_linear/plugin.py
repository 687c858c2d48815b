"""The plugin's hooks. This module is imported at every start, so it imports nothing heavy."""

from mlcore import RuntimeOffer, hookimpl


@hookimpl
def mlcore_runtimes() -> dict[str, RuntimeOffer]:
    """Offer the runtime, and claim its files."""
    return {"linear": RuntimeOffer("runtime_linear.runtime:LinearRuntime", artefacts=("linear.json",))}
