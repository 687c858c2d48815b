"""Points in time as ISO 8601 text and back, a column at once, with or without a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from mlcore.errors import CodecError

_DTYPE = re.compile(r"datetime64\[(s|ms|us|ns)(?:, (.{1,64}))?\]")
_OFFSET = re.compile(r"UTC([+-])(\d\d):(\d\d)")

# pandas takes more for ISO 8601 than it is: "now", for one.
_ISO = re.compile(r"\d{4}-?\d\d-?\d\d(?:[T ]\d[\d:]*(?:[.,]\d+)?(Z|[+-]\d\d(?::?\d\d){0,2})?)?")


def moment_texts(column: pd.Series[Any]) -> list[str | None]:
    """Return the texts of a column of datetimes, in its resolution, with the offset from UTC where it has a zone."""
    is_null = column.isna().to_numpy()
    if column.dt.tz is None:
        texts = np.datetime_as_string(column.to_numpy())
    else:
        local = column.dt.tz_localize(None).to_numpy()
        universal = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        seconds = np.where(is_null, 0, (local - universal).astype("timedelta64[s]").astype(np.int64))
        is_odd = seconds % 60 != 0  # ISO 8601 has no seconds in an offset, as some places had before they had zones
        local, seconds = np.where(is_odd, universal, local), np.where(is_odd, 0, seconds)
        offsets, which = np.unique(seconds, return_inverse=True)
        texts = np.char.add(
            np.datetime_as_string(local), np.array([_shown(offset) for offset in offsets], np.str_)[which]
        )
    return [None if null else text for text, null in zip(texts.tolist(), is_null.tolist(), strict=True)]


def moments_of(texts: list[str | None], label: str) -> pd.Series[Any]:
    """Return the datetimes that texts stand for, in the resolution that pandas takes for them.

    Texts with one offset from UTC give a column with that offset, texts with several one in UTC.

    Raises:
        CodecError: A text is not ISO 8601, or some have an offset and some have none.
    """
    offsets = set()
    for index, text in enumerate(texts):
        if text is not None:
            form = _ISO.fullmatch(text)
            if form is None:
                raise _wrong(label, index, text)
            offsets.add(form[1] or "")
    has_zone = bool(offsets) and "" not in offsets
    if len(offsets) > 1 and not has_zone:
        raise CodecError(f"{label}: expected an offset from UTC in every date and time, or in none")
    column = pd.Series(pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", errors="coerce", utc=has_zone))
    if any(texts[index] is not None for index in np.flatnonzero(column.isna())):
        column = _read_slowly(texts, label, has_zone)
    if len(offsets) == 1 and has_zone:
        column = column.dt.tz_convert(datetime.fromisoformat(f"2000-01-01T00:00:00{offsets.pop()}").tzinfo)
    return column


def in_dtype(column: pd.Series[Any], mark: str | None) -> pd.Series[Any]:
    """Return datetimes in the resolution and the time zone that a mark names; as they are, if it names none."""
    named = _DTYPE.fullmatch(mark or "")
    if named is None:
        return column
    zone = _zone(named[2]) if named[2] else None
    if zone is not None and column.dt.tz is None:
        column = column.dt.tz_localize("UTC")  # of a column without a single text nothing says that it has a zone
    if zone is not None:
        column = column.dt.tz_convert(zone)
    try:
        return column.dt.as_unit(named[1])
    except pd.errors.OutOfBoundsDatetime:  # nanoseconds reach from 1677 to 2262 only
        return column


def _read_slowly(texts: list[str | None], label: str, has_zone: bool) -> pd.Series[Any]:
    """Read what pandas did not: a time beyond its nanoseconds; or say which text is none."""
    moments: list[datetime | None] = []
    for index, text in enumerate(texts):
        try:
            moment = None if text is None else datetime.fromisoformat(text)
            moments.append(moment.astimezone(UTC).replace(tzinfo=None) if moment and has_zone else moment)
        except (ValueError, OverflowError):
            raise _wrong(label, index, text or "") from None
    column = pd.Series(np.array(moments, "datetime64[us]"))
    return column.dt.tz_localize("UTC") if has_zone else column


def _zone(name: str) -> str | timezone | None:
    """Return the time zone of a name that a client sent; `None` where there is none.

    Some names would have pandas read a file as a time zone, so it sees only those that have been looked up.
    """
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-size if offset[1] == "-" else size) if size < timedelta(days=1) else None
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None
    return name


def _shown(offset: int) -> str:
    minutes = abs(offset) // 60
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _wrong(label: str, index: int, text: str) -> CodecError:
    return CodecError(f"{label}.data[{index}]: expected an ISO 8601 date and time, got {text[:64]!r}")
