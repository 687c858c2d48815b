"""What one sees of a server: what it measures, its traces and its log lines, and where they are sent."""

from __future__ import annotations

import sys


def is_tracing() -> bool:
    """Say whether somebody collects the spans of this process; nothing is imported to find out."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return False
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)
