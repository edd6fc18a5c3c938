"""Rows whose members presence could not be asked about, until it can. Pure."""

from collections.abc import Sequence

from reno.ports import RowWrite

MAX_UNLOCATED_BYTES = 8 * 1024 * 1024
"""Of a shard."""


class Unlocated:
    """Of one shard, in log order, each with the position of its member's row before it."""

    def __init__(self, max_rows: int, max_bytes: int = MAX_UNLOCATED_BYTES) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self.rows: list[RowWrite] = []
        self.previous: list[int | None] = []

    def __len__(self) -> int:
        return len(self.rows)

    def keep(self, rows: Sequence[RowWrite], previous: Sequence[int | None]) -> bool:
        """In place of those kept before. False: not all have room; it is the later ones that are left out."""
        self.rows, self.previous = [], []
        left_bytes = self._max_bytes
        for row, before in zip(rows, previous, strict=True):
            left_bytes -= len(row.row)
            if left_bytes < 0 or len(self.rows) == self._max_rows:
                return False
            self.rows.append(row)
            self.previous.append(before)
        return True

    def clear(self) -> None:
        """They are located."""
        self.rows, self.previous = [], []
