"""What a shard has seen lately: ids with the log time of their first, for as long as a repeat could count as a duplicate."""

from collections import deque
from dataclasses import dataclass

_SLICE_MS = 1000
_SLICE_IDS = 4096
_PRUNED_AT_ONCE = 2


@dataclass(slots=True)
class _Slice:
    """Ids in the order in which they came, joined; it goes as a whole once its last id is old."""

    first_ms: int
    last_ms: int
    ids: bytearray


class DuplicateWindow:
    """Ids of one width. Times are log time, so they never fall from one call to the next; what is forgotten never changes an answer."""

    def __init__(self, id_bytes: int, longest_ms: int) -> None:
        self._id_bytes = id_bytes
        self._slice_bytes = _SLICE_IDS * id_bytes
        self._longest_ms = longest_ms
        self._first_ms: dict[bytes, int] = {}
        self._slices: deque[_Slice] = deque()

    def __len__(self) -> int:
        return len(self._first_ms)

    def first_ms(self, an_id: bytes, now_ms: int) -> int | None:
        """Log time of the id's first; None when it is unknown or at least longest_ms old, whether pruned yet or not."""
        first = self._first_ms.get(an_id)
        return None if first is None or now_ms - first >= self._longest_ms else first

    def remember(self, an_id: bytes, now_ms: int) -> None:
        """From now on this is the id's first. Prunes at most two slices (8,192 ids), so no call takes long."""
        self._first_ms[an_id] = now_ms
        last = self._slices[-1] if self._slices else None
        if (
            last is None
            or now_ms - last.first_ms >= _SLICE_MS
            or len(last.ids) >= self._slice_bytes
        ):
            last = _Slice(now_ms, now_ms, bytearray())
            self._slices.append(last)
            self._prune(now_ms)
        last.ids += an_id
        last.last_ms = now_ms

    def _prune(self, now_ms: int) -> None:
        horizon_ms = now_ms - self._longest_ms
        for _ in range(_PRUNED_AT_ONCE):
            if self._slices[0].last_ms > horizon_ms:
                return
            ids = bytes(self._slices.popleft().ids)
            for at in range(0, len(ids), self._id_bytes):
                an_id = ids[at : at + self._id_bytes]
                # An id that was stored again later stands in a later slice, too.
                if self._first_ms.get(an_id, now_ms) <= horizon_ms:
                    del self._first_ms[an_id]
