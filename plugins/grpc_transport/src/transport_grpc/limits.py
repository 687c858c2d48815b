"""How much one client may cost, besides what settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mlcore.settings import Settings

_KEEPALIVE_TIMEOUT_S = 20.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may do.

    Attributes:
        max_message_bytes: The largest message of an infer call, also after decompression.
        max_metadata_bytes: The largest header list of a call.
        max_header_list_bytes: The largest header list that is read at all, if only to keep both sides' tables equal.
        max_header_block_bytes: The most bytes that a header list may have on the wire.
        max_streams: The most calls at once.
        max_frame_bytes: The largest frame; large frames cost less.
        window_bytes: What a call may send ahead of being read.
        connection_window_bytes: The same of a connection.
        max_control_frame_bytes: The largest frame that is neither data nor headers.
        resets: Calls that may be given up at once; further ones come back with time and with calls that end well.
        resets_per_second: How many come back in each second.
        idle_frames: Frames that move no data, in the same way.
        idle_frames_per_second: How many come back in each second.
        preface_s: Seconds in which a client has to begin.
        write_s: Seconds in which a client has to take something of what waits for it.
        keepalive_s: Seconds of silence after which a client is asked whether it is there.
        keepalive_timeout_s: Seconds in which it has to say so.
    """

    max_message_bytes: int
    max_metadata_bytes: int
    max_streams: int
    preface_s: float
    write_s: float
    keepalive_s: float
    keepalive_timeout_s: float
    max_header_list_bytes: int = 512 * 1024
    max_header_block_bytes: int = 128 * 1024
    max_frame_bytes: int = 2**24 - 1
    window_bytes: int = 2**21
    connection_window_bytes: int = 2**24
    max_control_frame_bytes: int = 2**14
    resets: int = 200
    resets_per_second: float = 100.0
    idle_frames: int = 2000
    idle_frames_per_second: float = 500.0

    @staticmethod
    def of(settings: Settings) -> Limits:
        """Return what the settings allow."""
        return Limits(
            max_message_bytes=settings.grpc_max_message_length,
            max_metadata_bytes=settings.grpc_max_metadata_bytes,
            max_streams=settings.grpc_max_streams,
            preface_s=settings.grpc_handshake_timeout,
            write_s=settings.grpc_write_timeout,
            keepalive_s=settings.grpc_keepalive,
            keepalive_timeout_s=min(_KEEPALIVE_TIMEOUT_S, settings.grpc_keepalive),
        )
