"""How an owner begins, at its start and whenever the log may have become another one: generation, duplicate window and past, from log and journal."""

import asyncio
from dataclasses import dataclass

import structlog

from processor.fold import Fold
from processor.forking import fork_entry, generation_wanted
from processor.past import Past
from processor.patience import LogBehindJournal, Patience
from reno.config.settings import ProcessorSettings
from reno.ports import EnvelopeWrite, Inbox, LogReader, Shard

_log = structlog.get_logger("reno.processor")


@dataclass(frozen=True, slots=True)
class Bound:
    """What the owner goes on from."""

    generation: int
    fold: Fold
    past: Past


class Binding:
    """One shard's. Owners that bind at once do the same."""

    def __init__(
        self,
        shard: Shard,
        settings: ProcessorSettings,
        log: LogReader,
        inbox: Inbox,
        patience: Patience,
    ) -> None:
        self._shard = shard
        self._fork_after_s = settings.fork_after_s
        self._log = log
        self._inbox = inbox
        self._patience = patience
        self._clock_s = asyncio.get_running_loop().time
        self._behind_since_s: float | None = None

    async def bind(self, changed_in: int | None = None) -> Bound:
        """`changed_in`: see generation_wanted. Raises Stopped, and GenerationsUsedUp."""
        bound: list[Bound] = []

        async def attempt() -> None:
            bound.append(await self._attempt(changed_in))

        await self._patience.until_done(attempt, "owner waits")
        return bound[0]

    async def _attempt(self, changed_in: int | None) -> Bound:
        priority = self._shard.priority
        generation = (await self._log.open_lane(priority)).generation
        last_sequence = await self._log.last_sequence(priority)
        newest = await self._inbox.last_entry(self._shard)
        wanted = generation_wanted(newest, generation, last_sequence, changed_in)
        if wanted == generation:
            self._behind_since_s = None
        else:
            if changed_in is None:
                self._be_sure(
                    f"the log ends at generation {generation}, sequence {last_sequence}, before what was processed from it: was it restored or made anew?"
                )
            await self._log.raise_generation(priority, wanted)
            generation = (await self._log.open_lane(priority)).generation
            if generation < wanted:
                raise LogBehindJournal(f"generation {wanted} is not there yet")
        if newest is not None and generation > newest.generation:
            _log.error(
                "events that were acknowledged and not processed may be lost: a new generation begins",
                shard=self._shard.number,
                generation=generation,
                processed_through=newest.sequence,
            )
            newest = fork_entry(newest, generation)
            await self._inbox.append(self._shard, [EnvelopeWrite(newest, ())])
        fold, past = Fold(generation), Past(generation, newest)
        if newest is not None:
            async for entry in self._inbox.journal(self._shard, past.since_ms):
                fold.restore(entry)
                past.restore(entry)
            for _ in fold.take_up():
                await asyncio.sleep(0)
        return Bound(generation, fold, past)

    def _be_sure(self, trouble: str) -> None:
        """A new leader may not have caught up yet. Raises LogBehindJournal until it has been so for a while."""
        now_s = self._clock_s()
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        if now_s - self._behind_since_s < self._fork_after_s:
            raise LogBehindJournal(trouble)
