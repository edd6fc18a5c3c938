"""Merging: a newer row stands for older ones of the same scope, in one device's view only. Pure; the one place where it is decided."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.devices.view import RowView


@dataclass(slots=True, eq=False)
class Shown:
    """A row that the device may see, and how many older ones it stands for."""

    row: RowView
    merged: int = 0


def merge(shown: Iterable[Shown]) -> list[Shown]:
    """Keeps the newest of each scope at its own position, with the count of those that it replaces; rows without a scope stay. `shown` is one
    lane of one device in order; so is the answer. A prefix of it may be handed over: what was left out for a row stands at or before that row."""
    rows = list(shown)
    replaced: dict[str, int] = {}
    kept: list[Shown] = []
    for item in reversed(rows):
        scope = item.row.merge_scope
        if scope and scope in replaced:
            replaced[scope] += item.merged + 1
            continue
        if scope:
            replaced[scope] = item.merged
        kept.append(item)
    kept.reverse()
    return [
        Shown(item.row, replaced[item.row.merge_scope]) if item.row.merge_scope else item
        for item in kept
    ]
