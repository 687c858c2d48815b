"""How much one request may hold before it is refused.

They bound what a hostile request can cost; every real one is far below them.
"""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The counts that a decoder checks before it takes memory or time.

    Attributes:
        max_head_bytes: The most JSON that a request may have besides its tensors' data.
        max_depth: The deepest nesting of arrays and objects in a request.
        max_tensors: The most inputs, and the most outputs asked for.
        max_dimensions: The most dimensions of one tensor.
        max_elements: The most elements of one tensor, and the longest dimension.
        max_bytes_element: The most bytes of one BYTES element.
        max_parameters: The most parameters of a request, and of each tensor.
        max_id_length: The longest id, in characters.
        max_name_length: The longest name of a tensor, in characters.
    """

    max_head_bytes: int = 2**20
    max_depth: int = 64
    max_tensors: int = 256
    max_dimensions: int = 32
    max_elements: int = 2**31 - 1
    max_bytes_element: int = 16 * 2**20
    max_parameters: int = 64
    max_id_length: int = 256
    max_name_length: int = 1024
