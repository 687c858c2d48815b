"""What this distribution offers to mlcore. It imports nothing heavy: spaCy comes with the first pipeline."""

from __future__ import annotations

from mlcore import RuntimeOffer, hookimpl


@hookimpl
def mlcore_runtimes() -> dict[str, RuntimeOffer]:
    """Offer the runtime `spacy`."""
    return {"spacy": RuntimeOffer("runtime_spacy.runtime:SpacyRuntime")}
