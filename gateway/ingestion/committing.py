"""Group commit for one shard: rows, serialised as they come, wait while an envelope is under way and together become the next one. Pure."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from gateway.ingestion.refusal import Refusal
from reno.wire.bundle import Bundle, bundle_of
from reno.wire.logged_row import LoggedRow

ENVELOPE_START_BYTES = 64
"""What a message of the log has besides its rows, at most: version, id, tags."""


def longest_row_bytes(max_envelope_bytes: int) -> int:
    """A longer row would fit into no envelope: it must not be offered."""
    return max_envelope_bytes - ENVELOPE_START_BYTES


LARGE_ENVELOPE_BYTES = 16 * 1024
"""What is larger has its turn (door.LARGE_A_TURN), and rests its shard behind it."""

REST_RATIO = 4
LONGEST_REST_S = 0.25
"""An envelope costs door, log and processor 3 to 4 ms together, whatever is in it: the longer the log takes for one, the more should be in the next."""

REOPEN_SHARE = 7 / 8
"""Of the limit: who has refused for want of room takes nothing more until only so much waits, or a flood would be let in row by row."""

Answer = Callable[[int, Iterator[int], Refusal | None], None]
"""(count, places, refusal): what became of a ticket's next `count` rows, which take as many of the places when they are not refused."""


class Ticket:
    """The rows of one batch for one shard, in bundles that fit into an envelope each. Every row is answered exactly once, in order, in runs."""

    __slots__ = ("answer", "arrived_s", "bundles", "taken")

    def __init__(self, bundles: Sequence[Bundle], arrived_s: float, answer: Answer) -> None:
        self.bundles = bundles
        self.arrived_s = arrived_s
        self.answer = answer
        self.taken = 0
        """Of the bundles."""


@dataclass(frozen=True, slots=True)
class Load:
    """What goes into one envelope, its events and bytes, and how many of the events belong to each ticket."""

    bundles: Sequence[Bundle]
    events: int
    size_bytes: int
    shares: Sequence[tuple[Ticket, int]]

    def accept(self, places: Iterator[int]) -> None:
        """Answers with places: at least one a row, in their order."""
        for ticket, count in self.shares:
            ticket.answer(count, places, None)

    def refuse(self, refusal: Refusal) -> None:
        """Answers everyone with the same refusal."""
        for ticket, count in self.shares:
            ticket.answer(count, iter(()), refusal)


class GroupCommit:
    """What waits for one shard: first come first served, below a limit in bytes."""

    def __init__(
        self, *, max_envelope_events: int, max_envelope_bytes: int, max_waiting_bytes: int
    ) -> None:
        self._max_events = max_envelope_events
        self._max_bytes = max_envelope_bytes - ENVELOPE_START_BYTES
        self._max_waiting_bytes = max_waiting_bytes
        self._tickets: deque[Ticket] = deque()
        self._has_refused = False
        self.waiting_bytes = 0

    @property
    def is_shut(self) -> bool:
        """An offer would be refused, whatever its size."""
        if self._has_refused and self.waiting_bytes <= self._max_waiting_bytes * REOPEN_SHARE:
            self._has_refused = False
        return self._has_refused

    def offer(self, rows: Sequence[LoggedRow], arrived_s: float, answer: Answer) -> int:
        """How many of a batch's rows are taken, from the front: nothing after a row without room overtakes it. The rest is the caller's to answer."""
        if self.is_shut:
            return 0
        taken = _fitting(rows, self._max_waiting_bytes - self.waiting_bytes)
        if taken < len(rows):
            self._has_refused = True
            rows = rows[:taken]
        if rows:
            ticket = Ticket(self._bundled(rows), arrived_s, answer)
            self.waiting_bytes += sum([bundle.size_bytes for bundle in ticket.bundles])
            self._tickets.append(ticket)
        return taken

    def take(self) -> Load | None:
        """The next envelope's bundles, as many as fit; None when nothing waits."""
        bundles: list[Bundle] = []
        shares: list[tuple[Ticket, int]] = []
        events, room = self._max_events, self._max_bytes
        while self._tickets:
            ticket = self._tickets[0]
            share = 0
            for bundle in ticket.bundles[ticket.taken :]:
                if bundle.events > events or bundle.size_bytes > room:
                    break
                events -= bundle.events
                room -= bundle.size_bytes
                share += bundle.events
                ticket.taken += 1
                bundles.append(bundle)
            if share:
                shares.append((ticket, share))
            if ticket.taken < len(ticket.bundles):
                break
            self._tickets.popleft()
        return self._leaving(bundles, shares) if bundles else None

    def rest_s(self, load_bytes: int, took_s: float) -> float:
        """How long to let more come in after an envelope of so many bytes that the log took so long for: 0 after a small one, and where nothing or a whole envelope waits."""
        if load_bytes <= LARGE_ENVELOPE_BYTES or not 0 < self.waiting_bytes < self._max_bytes:
            return 0.0
        return min(REST_RATIO * took_s, LONGEST_REST_S)

    def rest_of(self, load: Load) -> Load | None:
        """What still waits of the batch that the load broke off in, no longer waiting; None when all of it went."""
        ticket, _ = load.shares[-1]
        if not self._tickets or self._tickets[0] is not ticket:
            return None
        self._tickets.popleft()
        rest = ticket.bundles[ticket.taken :]
        return self._leaving(rest, [(ticket, _events(rest))])

    def give_up(self, arrived_before_s: float) -> Load | None:
        """What has waited since before then, no longer waiting; None when nothing has."""
        bundles: list[Bundle] = []
        shares: list[tuple[Ticket, int]] = []
        while self._tickets and self._tickets[0].arrived_s < arrived_before_s:
            ticket = self._tickets.popleft()
            rest = ticket.bundles[ticket.taken :]
            bundles += rest
            shares.append((ticket, _events(rest)))
        return self._leaving(bundles, shares) if bundles else None

    def _bundled(self, rows: Sequence[LoggedRow]) -> list[Bundle]:
        """Each fits into an envelope."""
        bundles: list[Bundle] = []
        while rows:
            end = max(1, _fitting(rows[: self._max_events], self._max_bytes))
            bundles.append(bundle_of(rows[:end]))
            rows = rows[end:]
        return bundles

    def _leaving(self, bundles: Sequence[Bundle], shares: Sequence[tuple[Ticket, int]]) -> Load:
        load = Load(
            bundles, _events(bundles), sum([bundle.size_bytes for bundle in bundles]), shares
        )
        self.waiting_bytes -= load.size_bytes
        return load


def _events(bundles: Sequence[Bundle]) -> int:
    return sum([bundle.events for bundle in bundles])


def _fitting(rows: Sequence[LoggedRow], room_bytes: int) -> int:
    """How many of the rows, from the front, have room together."""
    sizes_bytes = [row.size_bytes for row in rows]
    if sum(sizes_bytes) <= room_bytes:
        return len(rows)
    return sum([until_bytes <= room_bytes for until_bytes in accumulate(sizes_bytes)])
