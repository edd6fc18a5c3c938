"""What each member's row before this one was, as far as the owner knows it."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from reno.ports import RowWrite


class Previous:
    """Remembers the last row of members found online lately, and forgets those found longest ago. It never guesses: unknown is None."""

    def __init__(self, max_members: int) -> None:
        self._max_members = max_members
        self._last: OrderedDict[bytes, int] = OrderedDict()
        self._batch: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def __contains__(self, key: bytes) -> bool:
        """The member is remembered: each of its stored rows must be chained."""
        return key in self._last

    def chain(self, rows: Sequence[RowWrite]) -> list[int | None]:
        """For each row the position of its member's row before it. In log order; of a member that is remembered, or will be said to be online, every stored row must pass here: also those that nobody is sent."""
        batch: dict[bytes, int] = {}
        remembered = self._last
        previous: list[int | None] = []
        for key, position, *_ in rows:
            before = batch.get(key)
            previous.append(remembered.get(key) if before is None else before)
            batch[key] = position
        for key, position in batch.items():
            if key in remembered:
                remembered[key] = position
        self._batch = batch
        return previous

    def found_online(self, keys: Iterable[bytes]) -> None:
        """Members of the rows chained last, found with sessions somewhere."""
        for key in keys:
            if (position := self._batch.get(key)) is not None:
                self._last[key] = position
                self._last.move_to_end(key)
        while len(self._last) > self._max_members:
            self._last.popitem(last=False)
