"""What a presence replica has not been told yet, and what it has not confirmed. Pure; one for each attachment."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from reno.ports import SessionPlace


@dataclass(frozen=True, slots=True)
class Told:
    """The content of one request."""

    began: tuple[SessionPlace, ...]
    ended: tuple[int, ...]
    snapshot_complete: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Numbers of sessions that the replica knows now; `again`: it was told of them by the snapshot of an attachment that is not the first."""

    fresh: tuple[int, ...]
    again: tuple[int, ...]


class UntoldSessions:
    """Begins with a snapshot of what is held. Waiting changes of one session collapse, so there are never more of them than sessions."""

    def __init__(self, held: Iterable[SessionPlace], *, again: bool) -> None:
        self._began = {place.number: place for place in held}
        self._ended: dict[int, None] = {}
        self._told: set[int] = set()
        self._again = set(self._began) if again else set[int]()
        self._snapshot_complete = False
        self._unconfirmed: deque[tuple[int, tuple[int, ...], tuple[int, ...]]] = deque()

    @property
    def settled(self) -> bool:
        """The replica knows everything that it was told, the snapshot included."""
        return self._snapshot_complete and not self._unconfirmed

    def began(self, place: SessionPlace) -> None:
        """To be told."""
        self._began[place.number] = place

    def ended(self, number: int) -> None:
        """To be told, unless nobody was told that it began."""
        self._began.pop(number, None)
        if number in self._told:
            self._told.discard(number)
            self._ended[number] = None
        self._again.discard(number)

    def take(self, sequence: int, max_sessions: int) -> Told | None:
        """What to say in the request with this number, oldest first; None: nothing. The snapshot is complete once nothing waits.

        What begins while others are unconfirmed is told with the next confirmation: of a herd many at once.
        """
        began = () if self._unconfirmed else tuple(islice(self._began.values(), max_sessions))
        ended = tuple(islice(self._ended, max_sessions))
        for place in began:
            del self._began[place.number]
            self._told.add(place.number)
        for number in ended:
            del self._ended[number]
        completes = not self._snapshot_complete and not self._began
        if not (began or ended or completes):
            return None
        self._snapshot_complete |= completes
        if began:
            numbers = [place.number for place in began]
            again = tuple(number for number in numbers if number in self._again)
            fresh = tuple(number for number in numbers if number not in self._again)
            self._again.difference_update(again)
            self._unconfirmed.append((sequence, fresh, again))
        return Told(began, ended, completes)

    def confirm(self, through_sequence: int) -> Confirmed:
        """Everything up to this request is known to the replica."""
        fresh: list[int] = []
        again: list[int] = []
        while self._unconfirmed and self._unconfirmed[0][0] <= through_sequence:
            _, of_fresh, of_again = self._unconfirmed.popleft()
            fresh += of_fresh
            again += of_again
        return Confirmed(tuple(fresh), tuple(again))
