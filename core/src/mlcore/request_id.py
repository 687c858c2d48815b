"""The id that a client gives a request in a header, so that log lines of several programs can be found together."""

from __future__ import annotations

import re

_ID = re.compile(r"[!-~]{1,128}")


def request_id_of(value: bytes | str | None) -> str | None:
    """Return the id that a header holds, if it is fit for log lines; what is not is as good as none.

    Args:
        value: The value of `x-request-id`; visible ASCII characters are taken, 128 of them at most.
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else value.decode("latin-1")
    return text if _ID.fullmatch(text) else None
