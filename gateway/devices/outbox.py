"""What waits for one session's next frame: bounded for each lane, high priority first, no lane starved for good. Pure."""

from dataclasses import dataclass, field

from gateway.devices.merging import Shown, merge
from reno.domain.priority import LANES, Priority
from reno.gates import is_expired

LOWER_SHARE = 8
"""While lower lanes wait, one place in eight is theirs: over any 8 frames of n places they get at least n, as far as they have rows."""


class Budget:
    """Bytes that all outboxes of a gateway may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    @property
    def free_bytes(self) -> int:
        """Never negative."""
        return max(0, self.limit_bytes - self.used_bytes)


@dataclass(slots=True)
class Taken:
    """A frame's rows: high lane first, each lane in order; and how many were left out because they had expired."""

    rows: list[tuple[Priority, Shown]] = field(default_factory=list)
    expired: dict[Priority, int] = field(default_factory=dict)
    lanes: list[Priority] = field(default_factory=list)
    """In which anything waited."""


class _Queue:
    __slots__ = ("bytes", "credit", "is_merged", "rows")

    def __init__(self) -> None:
        self.rows: list[Shown] = []
        self.bytes = 0
        self.credit = 0
        self.is_merged = True

    def replace(self, rows: list[Shown]) -> int:
        """How many bytes became free."""
        before = self.bytes
        self.rows = rows
        self.bytes = sum(item.row.size_bytes for item in rows)
        return before - self.bytes


class Outbox:
    """Each lane may hold a third of the limits, so that no lane can push another one out; a single row always fits in an empty lane."""

    def __init__(self, max_rows: int, max_bytes: int, budget: Budget) -> None:
        self._max_rows = max(1, max_rows // len(LANES))
        self._max_bytes = max(1, max_bytes // len(LANES))
        self._budget = budget
        self._queues = {lane: _Queue() for lane in LANES}

    def push(self, lane: Priority, shown: Shown) -> bool:
        """False: no room, not even after merging; the row is not in."""
        queue = self._queues[lane]
        if not self._fits(queue, shown):
            self._merge(queue)
            if not self._fits(queue, shown):
                return False
        self.add(lane, shown)
        return True

    def add(self, lane: Priority, shown: Shown) -> None:
        """For rows that were read: the reader asked for no more than `room` gave."""
        queue = self._queues[lane]
        size = shown.row.size_bytes
        queue.rows.append(shown)
        queue.bytes += size
        queue.is_merged = queue.is_merged and not shown.row.merge_scope
        self._budget.used_bytes += size

    def drop(self, lane: Priority) -> None:
        """Forgets what waits in the lane."""
        self._budget.used_bytes -= self._queues[lane].replace([])

    def drop_all(self) -> None:
        """For a session that ends: gives its bytes back."""
        for lane in LANES:
            self.drop(lane)

    def is_empty(self) -> bool:
        """Nothing waits."""
        for queue in self._queues.values():  # noqa: SIM110 - asked twice a push, and a generator costs more than the answer
            if queue.rows:
                return False
        return True

    def has_none(self, lane: Priority) -> bool:
        """Nothing of the lane waits."""
        return not self._queues[lane].rows

    @property
    def bytes_waiting(self) -> int:
        """Of all lanes."""
        return sum(queue.bytes for queue in self._queues.values())

    def room(self, lane: Priority) -> tuple[int, int]:
        """Rows and bytes that a read of the lane may ask for; (0, 0) while more than half of its share waits or the gateway's budget is used up."""
        queue = self._queues[lane]
        rows, size = self._max_rows - len(queue.rows), self._max_bytes - queue.bytes
        size = min(size, self._budget.free_bytes)
        if rows * 2 < self._max_rows or queue.bytes * 2 > self._max_bytes or size <= 0:
            return 0, 0
        return rows, size

    def reserve(self, size_bytes: int) -> None:
        """Counts a read that is under way against the gateway's budget; given back with a negative size."""
        self._budget.used_bytes += size_bytes

    def take(self, max_rows: int, max_bytes: int, now_ms: int) -> Taken:
        """Removes the next frame's rows: at least one when any waits that is not expired. Waiting rows are merged first, so a slow device is told
        less, not later. A row that expires after another one was merged into it takes both with it."""
        taken = Taken(lanes=[lane for lane in LANES if self._queues[lane].rows])
        for lane in taken.lanes:
            self._expire(lane, taken, now_ms)
        waiting = [lane for lane in taken.lanes if self._queues[lane].rows]
        for index, lane in enumerate(waiting):
            lower = waiting[index + 1 :]
            rows_kept, bytes_kept = self._kept_for_lower(lane, lower, max_rows, max_bytes)
            rows, size = self._move(
                lane,
                taken,
                max_rows - rows_kept,
                max_bytes - bytes_kept,
                must=not taken.rows or (index > 0 and max_rows > 0),
            )
            max_rows -= rows
            max_bytes -= size
        return taken

    def _kept_for_lower(
        self, lane: Priority, lower: list[Priority], max_rows: int, max_bytes: int
    ) -> tuple[int, int]:
        queue = self._queues[lane]
        if not lower:
            queue.credit = 0
            return 0, 0
        # Eighths of a place: with few places in a frame the lower lanes' turn comes with a later frame.
        queue.credit += max_rows
        kept = min(queue.credit // LOWER_SHARE, sum(len(self._queues[one].rows) for one in lower))
        queue.credit = min(queue.credit - kept * LOWER_SHARE, LOWER_SHARE - 1)
        return kept, max_bytes // LOWER_SHARE if kept else 0

    def _move(
        self, lane: Priority, taken: Taken, max_rows: int, max_bytes: int, *, must: bool
    ) -> tuple[int, int]:
        queue = self._queues[lane]
        size = count = 0
        for shown in queue.rows[: max(0, max_rows)]:
            if size + shown.row.size_bytes > max_bytes and not (must and count == 0):
                break
            size += shown.row.size_bytes
            count += 1
            taken.rows.append((lane, shown))
        del queue.rows[:count]
        queue.bytes -= size
        self._budget.used_bytes -= size
        return count, size

    def _expire(self, lane: Priority, taken: Taken, now_ms: int) -> None:
        queue = self._queues[lane]
        if is_expired(min([shown.row.expires_at_ms for shown in queue.rows]), now_ms):
            alive = [s for s in queue.rows if not is_expired(s.row.expires_at_ms, now_ms)]
            taken.expired[lane] = len(queue.rows) - len(alive)
            self._budget.used_bytes -= queue.replace(alive)
        self._merge(queue)

    def _merge(self, queue: _Queue) -> None:
        if not queue.is_merged and len(queue.rows) > 1:
            self._budget.used_bytes -= queue.replace(merge(queue.rows))
        queue.is_merged = True

    def _fits(self, queue: _Queue, shown: Shown) -> bool:
        size = shown.row.size_bytes
        has_place = len(queue.rows) < self._max_rows and queue.bytes + size <= self._max_bytes
        return size <= self._budget.free_bytes and (has_place or not queue.rows)
