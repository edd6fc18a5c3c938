"""A batch on its way: gathers what the shards say of its events."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from gateway.ingestion.admission import Admission
from gateway.ingestion.committing import Answer
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.results import Results


class Pending:
    """A batch that the door has taken. Its events go their way whether anybody waits for `results` or not."""

    __slots__ = ("_answered", "_answers", "_open", "_priorities", "_refused")

    def __init__(self, admission: Admission) -> None:
        self._priorities = admission.priorities
        self._answers: dict[int, int | Refusal] = dict(admission.refusals)
        self._refused = list(admission.refusals)
        self._open = len(admission.priorities) - len(self._answers)
        self._answered: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._close_if_whole()

    async def results(self) -> Results:
        """One for each event, in the order of the batch; waits for the log."""
        # A caller who goes away must not cancel what others fill.
        return await asyncio.shield(self._answered)

    def when_answered(self, call: Callable[[Results], None]) -> None:
        """Calls once, soon after every event has its result."""
        self._answered.add_done_callback(lambda future: call(future.result()))

    def answerer(self, indexes: Sequence[int]) -> Answer:
        """For one shard's ticket: its rows are the events at these indexes, in this order."""
        following = iter(indexes)

        def answer(count: int, places: Iterator[int], refusal: Refusal | None) -> None:
            answered = list(islice(following, count))
            if refusal is not None:
                self.refuse(answered, refusal)
                return
            # The indexes come first: zip must not take a place that belongs to the next ticket.
            self._answers.update(zip(answered, places, strict=False))
            self._close(count)

        return answer

    def refuse(self, indexes: Sequence[int], refusal: Refusal) -> None:
        """Events that no shard took, or that the log did not confirm."""
        self._refused += indexes
        self._answers.update(dict.fromkeys(indexes, refusal))
        self._close(len(indexes))

    def _close(self, count: int) -> None:
        self._open -= count
        self._close_if_whole()

    def _close_if_whole(self) -> None:
        if self._open == 0:
            in_order = list(map(self._answers.__getitem__, range(len(self._priorities))))
            self._answered.set_result(Results(self._priorities, in_order, sorted(self._refused)))
