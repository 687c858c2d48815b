"""structlog without rich, which it imports wherever that is installed: a fifth of what the start of a process costs.

What structlog uses it for, tracebacks with the values of local variables, has no place in our log: they are payloads.
"""

from __future__ import annotations

import sys

_hidden = "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, as where it is not installed
try:
    import structlog
finally:
    if _hidden:
        del sys.modules["rich"]

__all__ = ["structlog"]
