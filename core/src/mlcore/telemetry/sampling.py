"""Which requests are traced.

The SDK asks its sampler at each span, which costs more than a whole step of a small request. Here a coin decides for a
whole request, before anything else is done for it; the sampler is only told what was decided.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from mlcore.logs import request_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

_DECIDED = create_key("mlcore-decided")

_FOLLOWS_PARENTS = re.compile(
    r"ParentBased\{root:(?P<root>.+?),remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,"
    r"localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler\}"
)
_RATIO = re.compile(r"TraceIdRatioBased\{(?P<ratio>[0-9.e+-]+)\}")


def decided(context: Context | None = None) -> Context:
    """Return a context in which a span without a parent is traced, whatever the sampler says."""
    return set_value(_DECIDED, True, context)


class RequestSampler(Sampler):
    """A sampler that leaves requests to whoever tosses the coin, and everything else to the SDK's.

    Args:
        sampler: The SDK's, as the variables name it.

    Attributes:
        ratio: The fraction of requests without a trace of their client's that are traced; `None` if only the sampler
            knows.
        follows_parents: Whether a request of a trace is traced exactly if its client says so.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        description = sampler.get_description()
        found = _FOLLOWS_PARENTS.fullmatch(description)
        self.follows_parents = found is not None
        self.ratio = _ratio(found["root"] if found else description)
        if self.ratio not in (0, 1) and not self.follows_parents:
            self.ratio = None  # it decides by the trace's id, at each span

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Say whether a span is recorded; see `Sampler`."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            if self.follows_parents and parent.trace_flags.sampled:
                return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, parent.trace_state)
        else:
            if get_value(_DECIDED, parent_context):
                return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
            if request_context.get() is not None:  # it is within a request that is not traced
                return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return the SDK's sampler's description."""
        return self._sampler.get_description()


def _ratio(description: str) -> float | None:
    if description in ("AlwaysOnSampler", "AlwaysOffSampler"):
        return float(description == "AlwaysOnSampler")
    found = _RATIO.fullmatch(description)
    return float(found["ratio"]) if found else None
