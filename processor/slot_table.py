"""Fingerprints with a time each, in numpy: thousands are looked up or placed in a few calls."""

from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from processor.fingerprints import GROUPS, Indexes, Prints

_WAYS = 32
_FILLED_AT_FIRST = 28
_SIZED_FOR = GROUPS * 28
"""Prints a bucket of every group: seven slots of eight, so that most find room and few stay free."""
_DOUBLES_BELOW = 16
_CROWD = 512
_HALF_BITS = np.uint64(32)
_HALF = np.uint64((1 << 32) - 1)

Times = NDArray[np.uint32]


class SlotTable:
    """Buckets of 32 slots of 12 bytes; a print stands in one of two buckets of its group that its halves name, in the emptier when it came.

    Two choices fill nine slots of ten before a print finds no room; what finds none stands aside. Time 0 is a free slot.
    """

    def __init__(self, buckets_a_group: int) -> None:
        self._buckets = buckets_a_group
        slots = GROUPS * buckets_a_group * _WAYS
        # Memory of its own: the heap would keep what a grown table leaves.
        self._prints = np.frombuffer(mmap(-1, slots * 8), np.uint64).reshape(-1, _WAYS)
        self._times = np.frombuffer(mmap(-1, slots * 4), np.uint32).reshape(-1, _WAYS)
        self._aside: dict[tuple[int, int], int] = {}

    @classmethod
    def sized_for(cls, prints: int) -> "SlotTable":
        """With room for so many."""
        return cls(max(1, -(-prints // _SIZED_FOR)))

    def is_crowded(self, horizon: int) -> bool:
        """More than one in 512 stands aside, though what is not after `horizon` is forgotten there."""
        limit = self._prints.size // _CROWD
        if len(self._aside) <= limit:
            return False
        self._forget_aside(horizon)
        return len(self._aside) > limit // 2

    @property
    def memory_bytes(self) -> int:
        """Of the arrays."""
        return self._prints.nbytes + self._times.nbytes

    def find(self, groups: Indexes, prints: Prints) -> Times:
        """Each print's time; 0 where it is not there."""
        times = np.zeros(len(prints), np.uint32)
        rows = np.arange(len(prints))
        for buckets in self._two_buckets(groups, prints):
            same = self._prints[buckets] == prints[:, None]
            ways = same.argmax(axis=1)
            found = np.where(same[rows, ways], self._times[buckets, ways], 0)
            np.maximum(times, found, out=times)
        if self._aside:
            for row, key in enumerate(zip(groups.tolist(), prints.tolist(), strict=True)):
                times[row] = max(times[row], self._aside.get(key, 0))
        return times

    def place(self, groups: Indexes, prints: Prints, times: Times, horizon: int) -> None:
        """Places each print, no print twice, or changes its time where it is there already. A slot whose time is not after `horizon` is free."""
        firsts, seconds = self._two_buckets(groups, prints)
        pending = np.arange(len(prints))
        while pending.size:
            first, second = firsts[pending], seconds[pending]
            wanted = prints[pending][:, None]
            # A slot's worth: 2 for the print itself, 1 for room.
            in_first = (self._prints[first] == wanted) * np.uint8(2)
            in_second = (self._prints[second] == wanted) * np.uint8(2)
            in_first += self._times[first] <= horizon
            in_second += self._times[second] <= horizon
            best_first, best_second = in_first.max(axis=1), in_second.max(axis=1)
            emptier = (in_second & 1).sum(axis=1) > (in_first & 1).sum(axis=1)
            to_second = (best_second >= 2) | ((best_first < 2) & emptier)
            buckets = np.where(to_second, second, first)
            ways = np.where(to_second, in_second.argmax(axis=1), in_first.argmax(axis=1))
            has_room = np.where(to_second, best_second, best_first) > 0
            self._put_aside(pending[~has_room], groups, prints, times)
            # One a bucket and round: the next round sees its slot taken.
            with_room = np.flatnonzero(has_room)
            now = with_room[np.unique(buckets[with_room], return_index=True)[1]]
            self._prints[buckets[now], ways[now]] = prints[pending[now]]
            self._times[buckets[now], ways[now]] = times[pending[now]]
            has_room[now] = False
            pending = pending[has_room]

    def fill(self, groups: Indexes, prints: Prints, times: Times) -> None:
        """As `place`, into groups that hold nothing yet: most of it without looking. Of a print that comes twice the later one counts."""
        order = np.lexsort((prints, groups))
        groups, prints = groups[order], prints[order]
        comes_again = (prints[1:] == prints[:-1]) & (groups[1:] == groups[:-1])
        if comes_again.any():
            is_last = np.append(~comes_again, True)
            order, groups, prints = order[is_last], groups[is_last], prints[is_last]
        times = times[order]
        # Rising, since a print's upper half names its first bucket.
        firsts, _ = self._two_buckets(groups, prints)
        ways = np.arange(len(firsts)) - np.searchsorted(firsts, firsts)
        direct = ways < _FILLED_AT_FIRST
        self._prints[firsts[direct], ways[direct]] = prints[direct]
        self._times[firsts[direct], ways[direct]] = times[direct]
        rest = ~direct
        self.place(groups[rest], prints[rest], times[rest], 0)

    def grown(self, horizon: int) -> "SlotTable":
        """A larger one with everything after `horizon`: twice as large while small, then an eighth."""
        step = self._buckets if self._buckets < _DOUBLES_BELOW else self._buckets // 8
        larger = SlotTable(self._buckets + step)
        # A part at a time: what a copy takes beside the two tables stays small.
        part = GROUPS // 16 * self._buckets
        for start in range(0, len(self._times), part):
            buckets, ways = np.nonzero(self._times[start : start + part] > horizon)
            buckets += start
            larger.fill(
                buckets // self._buckets, self._prints[buckets, ways], self._times[buckets, ways]
            )
        self._forget_aside(horizon)
        groups, prints = zip(*self._aside, strict=True) if self._aside else ((), ())
        times = np.array(list(self._aside.values()), np.uint32)
        larger.place(np.array(groups, np.int64), np.array(prints, np.uint64), times, 0)
        return larger

    def subtract(self, span: int) -> None:
        """Every time is that much less from now on, and free where nothing is left."""
        self._times -= np.minimum(self._times, np.uint64(span)).astype(np.uint32)
        self._forget_aside(span)
        self._aside = {key: time - span for key, time in self._aside.items()}

    def _forget_aside(self, horizon: int) -> None:
        self._aside = {key: time for key, time in self._aside.items() if time > horizon}

    def _put_aside(self, rows: Indexes, groups: Indexes, prints: Prints, times: Times) -> None:
        keys = zip(groups[rows].tolist(), prints[rows].tolist(), strict=True)
        self._aside.update(zip(keys, times[rows].tolist(), strict=True))

    def _two_buckets(self, groups: Indexes, prints: Prints) -> tuple[Indexes, Indexes]:
        many = np.uint64(self._buckets)
        starts = groups * self._buckets
        first = ((prints >> _HALF_BITS) * many >> _HALF_BITS).astype(np.int64)
        second = ((prints & _HALF) * many >> _HALF_BITS).astype(np.int64)
        return starts + first, starts + second
