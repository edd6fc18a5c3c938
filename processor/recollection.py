"""Ids as a journal tells of them, before a window takes them up: no object an id."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from processor.fingerprints import GROUPS, fingerprints

_BUFFERED_IDS = 1 << 16
_SHELVES = 16

_RECORD = np.dtype([("group", "<u2"), ("print", "<u8"), ("since", "<u4")])
"""14 bytes, as in a window: what is recalled takes no more room than what it becomes."""

Records = NDArray[np.void]


class Recollection:
    """One window's, in the order of the log."""

    def __init__(self) -> None:
        self.total = 0
        self.origin_ms = 0
        """From which a record's `since` counts."""
        self._ids: list[bytes] = []
        self._counts: list[int] = []
        self._times_ms: list[int] = []
        self._buffered = 0
        self._shelves = [bytearray() for _ in range(_SHELVES)]

    def add(self, ids: bytes, count: int, time_ms: int) -> None:
        """So many ids of one length, joined, that were first at that time. Times never fall, nor rise by 49 days in all."""
        if not count:
            return
        if not self.total:
            self.origin_ms = time_ms - 1
        self._ids.append(ids)
        self._counts.append(count)
        self._times_ms.append(time_ms)
        self.total += count
        self._buffered += count
        if self._buffered >= _BUFFERED_IDS:
            self._shelve()

    def take(self) -> Iterator[Records]:
        """All of it, once: in parts of which no two have a group in common. Each is forgotten when the next is asked for."""
        if self._buffered < self.total:
            if self._buffered:
                self._shelve()
            while self._shelves:
                yield np.frombuffer(self._shelves.pop(), _RECORD)
        elif self.total:
            yield self._unbuffered()

    def _shelve(self) -> None:
        records = self._unbuffered()
        bounds = np.searchsorted(_shelf(records["group"]), range(_SHELVES + 1))
        for shelf, (begin, end) in zip(self._shelves, pairwise(bounds), strict=True):
            shelf.extend(records[begin:end].tobytes())

    def _unbuffered(self) -> Records:
        """In the order of the shelves, and on each of the log."""
        groups, prints = fingerprints(b"".join(self._ids), self._buffered)
        since = np.repeat(np.array(self._times_ms) - self.origin_ms, self._counts)
        order = np.argsort(_shelf(groups), kind="stable")
        records = np.empty(self._buffered, _RECORD)
        # Field by field: whole records take numpy three times as long.
        records["group"] = groups[order]
        records["print"] = prints[order]
        records["since"] = since[order]
        self._ids, self._counts, self._times_ms, self._buffered = [], [], [], 0
        return records


def _shelf(groups: NDArray[np.integer]) -> NDArray[np.uint8]:
    return (groups // (GROUPS // _SHELVES)).astype(np.uint8)
