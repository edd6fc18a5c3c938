"""What a shard has seen lately: ids with the log time of their first, some 14 bytes each."""

from collections.abc import Iterator, Sequence

import numpy as np

from processor.fingerprints import fingerprints
from processor.recollection import Recollection
from processor.slot_table import SlotTable

_LONGEST_SPAN_MS = 1 << 31


class DuplicateWindow:
    """Of ids whose first bytes are random, as a hash's are. Times are log time and never fall from one call to the next.

    With seven million ids in it, a stranger is taken for one of them with a chance of 10^-16.
    """

    def __init__(self) -> None:
        self._origin_ms = 0
        self._table = SlotTable(1)

    @property
    def memory_bytes(self) -> int:
        """It keeps the size that was needed most."""
        return self._table.memory_bytes

    def take_up(self, recalled: Recollection, known_since_ms: int) -> Iterator[None]:
        """Into a new window, as if each id in turn were remembered; in steps of some tenths of a second at most."""
        self._table = SlotTable.sized_for(recalled.total)
        self._origin_ms = recalled.origin_ms
        horizon = max(0, known_since_ms - self._origin_ms)
        for records in recalled.take():
            known = records["since"] > horizon
            groups = records["group"][known].astype(np.int64)
            self._table.fill(groups, records["print"][known], records["since"][known])
            yield

    def first_ms(self, ids: Sequence[bytes], known_since_ms: int) -> list[int]:
        """Of each id the log time of its first where that is after known_since_ms, else 0. `known_since_ms` never falls either."""
        if not ids:
            return []
        since = self._table.find(*fingerprints(b"".join(ids), len(ids))).astype(np.int64)
        firsts = since + self._origin_ms
        known = (since > 0) & (firsts > known_since_ms)
        found: list[int] = np.where(known, firsts, 0).tolist()
        return found

    def remember(self, ids: Sequence[bytes], times_ms: Sequence[int], known_since_ms: int) -> None:
        """From now on these are the ids' firsts; no id twice. What is not after known_since_ms is forgotten when its room is wanted."""
        if not ids:
            return
        if times_ms[-1] - self._origin_ms >= _LONGEST_SPAN_MS:
            origin_ms = min(known_since_ms, times_ms[0] - 1)
            self._table.subtract(origin_ms - self._origin_ms)
            self._origin_ms = origin_ms
        since = (np.asarray(times_ms, np.int64) - self._origin_ms).astype(np.uint32)
        horizon = max(0, known_since_ms - self._origin_ms)
        self._table.place(*fingerprints(b"".join(ids), len(ids)), since, horizon)
        if self._table.is_crowded(horizon):
            self._table = self._table.grown(horizon)
