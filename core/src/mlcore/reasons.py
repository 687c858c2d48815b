"""Why a model is not ready, as one line that may reach clients: without the paths of this machine."""

from __future__ import annotations

import re

from mlcore.errors import MLCoreError

_LONGEST = 2000

# An absolute path, but not the rest of an address, of a relative path or of a route: one of ours, or behind its method.
_PATH = re.compile(
    r"""(?<![\w:/.\\~-])(?<!GET[ ])(?<!PUT[ ])(?<!POST[ ])(?<!PATCH[ ])(?<!DELETE[ ])(?:
        (?:file://)?/(?!v2/)(?:[^\s/'"()<>,;:]+/)+
        | ~[^\s/'"]*/(?:[^\s/'"()<>,;:]+/)*
        | [A-Za-z]:\\(?:[^\s\\'"]+\\)*
    )""",
    re.VERBOSE,
)


def reason_of(error: BaseException) -> str:
    """Return the text of an error in one line, each absolute path in it cut to its last part."""
    text = str(error) if isinstance(error, MLCoreError) else f"{type(error).__name__}: {error}"
    return one_line(text)


def one_line(text: str) -> str:
    """Return a text in one line, each absolute path in it cut to its last part."""
    line = _PATH.sub("", "; ".join(filter(None, (" ".join(line.split()) for line in text.splitlines()))))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
