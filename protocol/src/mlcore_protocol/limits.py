"""How much one request may hold before it is refused.

They bound what a hostile request can cost; every real one is far below them.
"""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The counts that a decoder checks before it takes memory or time."""

    max_tensors: int = 256
    max_dimensions: int = 32
    max_elements: int = 2**31 - 1
    max_bytes_element: int = 16 * 2**20
    max_parameters: int = 64
    max_id_length: int = 256
    max_name_length: int = 1024
