"""A member's rows of one lane, as an iterator over the rows' column family shows them."""

from collections.abc import Iterator

from rocksdict import RdictIter

from reno.adapters import inbox_keys as keys
from reno.adapters.paging import fill_page
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import Page, Slice


def page(
    cursor: RdictIter, prefix: bytes, wanted: Slice, mark: int, acknowledged: int, now_ms: int
) -> Page:
    """See fill_page. Raises errors.Unavailable, and reno.wire.envelope.Unreadable."""
    rows = _rows_after(cursor, prefix, wanted.after, mark)
    return fill_page(wanted, rows, mark=mark, acknowledged=acknowledged, now_ms=now_ms)


def newest(cursor: RdictIter, prefix: bytes, before: int, after: int, most: int) -> list[int]:
    """Positions between the two, newest first. Raises errors.Unavailable."""
    positions: list[int] = []
    cursor.seek_for_prev(prefix + (before - 1).to_bytes(8, "big"))
    while len(positions) < most and is_valid(cursor):
        position = keys.position_after(prefix, cursor.key())
        if position is None or position <= after:
            break
        positions.append(position)
        cursor.prev()
    return positions


def is_valid(cursor: RdictIter) -> bool:
    """An iterator that met a broken block looks as if it were at the end: ask it. Raises errors.Unavailable."""
    if cursor.valid():
        return True
    try:
        cursor.status()
    except Exception as error:
        raise Unavailable(Reason.NOT_READY, f"the inbox cannot read: {error}") from error
    return False


def _rows_after(
    cursor: RdictIter, prefix: bytes, after: int, mark: int
) -> Iterator[tuple[int, int, bytes]]:
    if after >= mark:
        return
    cursor.seek(prefix + (after + 1).to_bytes(8, "big"))
    while is_valid(cursor):
        position = keys.position_after(prefix, cursor.key())
        if position is None or position > mark:
            return
        yield (position, *keys.row_of(cursor.value()))
        cursor.next()
