"""Fills one page from a member's rows: the same decision for every inbox."""

from collections.abc import Iterable

from reno.gates import is_expired
from reno.ports import Page, Slice, StoredRow

MAX_MEMBER_ROWS = 20_000
"""See reno.config.settings.InboxSettings.max_member_rows."""

MAX_LOOKED_AT = 4096
"""Rows that one page may step over or take: a member with many expired rows is read in several pages."""


def fill_page(
    wanted: Slice,
    rows: Iterable[tuple[int, int, bytes]],
    *,
    mark: int,
    acknowledged: int,
    now_ms: int,
) -> Page:
    """`rows` are (position, expires_at_ms, row) after wanted.after and up to the mark, ascending; taken lazily. Limits below 1 count as 1."""
    taken: list[StoredRow] = []
    taken_bytes = 0
    through = wanted.after
    more = False
    for looked_at, (position, expires_at_ms, row) in enumerate(rows):
        if looked_at == MAX_LOOKED_AT:
            more = True
            break
        if not is_expired(expires_at_ms, now_ms):
            if taken and (
                len(taken) >= wanted.max_rows or taken_bytes + len(row) > wanted.max_bytes
            ):
                more = True
                break
            taken.append(StoredRow(position, row))
            taken_bytes += len(row)
        through = position
    if not more:
        through = max(wanted.after, mark)
    return Page(taken, more, through, mark, acknowledged)
