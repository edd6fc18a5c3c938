"""Changing the number of a lane's shards. Every step may be repeated: what was interrupted is gone on with by whoever begins it again."""

import asyncio
from collections.abc import AsyncIterator, Callable

from processor.fold import remembered_since_ms
from processor.inheriting import first_entry, heirs_of
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.errors import Unavailable
from reno.ports import (
    CannotReshard,
    JournalEntry,
    LaneInfo,
    LaneStanding,
    LogAbsent,
    LogFull,
    LogUnconfirmed,
    ReshardedInbox,
    ReshardedLog,
    Shard,
    shards_of_lane,
)

LOOK_S = 0.1
AGAIN_S = 0.5
MAX_ENTRIES = 256
"""Of a journal, at once in memory."""


class Resharding:
    """Of one lane, one at a time. Closed: who publishes is told that nothing was stored.

    Positions go on in the same generation, above what there was, and no device notices: when the lane opens again, all that was accepted before is stored and
    delivered, and the new shards' journals know every event that the old ones' duplicate windows did.
    """

    def __init__(
        self,
        priority: Priority,
        log: ReshardedLog,
        inbox: ReshardedInbox,
        say: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self._priority = priority
        self._log = log
        self._inbox = inbox
        self._say = say
        self._patience_s = patience_s
        self._remembered_ms: dict[Shard, int] = {}
        """Log time up to which heirs have the shard's journal."""

    async def run(self, shards: int) -> None:
        """Returns when the lane is open with so many. Raises CannotReshard; WrongState; and what the log or the inbox raised last when they did not answer for patience_s:
        the lane may be closed then."""
        clock_s = asyncio.get_running_loop().time
        until_s = clock_s() + self._patience_s
        said = ""
        while True:
            try:
                return await self._attempt(shards)
            except (LogAbsent, LogFull, LogUnconfirmed, Unavailable) as error:
                if clock_s() >= until_s:
                    raise
                if str(error) != said:
                    said = str(error)
                    self._say(f"trying again: {error}")
            await asyncio.sleep(AGAIN_S)

    async def _attempt(self, shards: int) -> None:
        standing = await self._log.standing(self._priority)
        stored = await self._inbox.shards(self._priority)
        if (why := refusal(standing, stored, shards)) is not None:
            raise CannotReshard(why)
        before = standing.lane.shards
        if before != shards:
            if standing.to_shards is None:
                # Most of it while the lane is open; the rest is short.
                await self._remember(before, shards)
            await self._change(before, shards, can_go_back=stored == before)
        await self._log.open(self._priority, shards)
        self._say(f"open with {shards} shards")

    async def _change(self, before: int, shards: int, *, can_go_back: bool) -> None:
        while True:
            sequence = await self._log.close(self._priority, shards)
            self._say(f"closed at sequence {sequence}")
            if not await self._is_processed(before):
                if can_go_back:
                    await self._log.open(self._priority, before)
                raise CannotReshard(
                    f"what the lane holds was not processed within {self._patience_s:g} s"
                )
            self._say("processed")
            standing = await self._log.standing(self._priority)
            if not _is_still(standing, shards, sequence):
                continue
            await self._remember(before, shards)
            await self._begin(standing.lane, shards, sequence)
            self._say(f"{shards} shards have begun")
            mark = mark_of(standing.lane.generation, sequence)
            await self._inbox.go_over(self._priority, shards, mark)
            if _is_still(await self._log.standing(self._priority), shards, sequence):
                return

    async def _is_processed(self, before: int) -> bool:
        """Stored and delivered by the shards' owners, who know the log's generation; False when it takes too long."""
        try:
            async with asyncio.timeout(self._patience_s):
                while await self._log.waiting(self._priority) or not await self._agree(before):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True

    async def _agree(self, before: int) -> bool:
        generation = (await self._log.standing(self._priority)).lane.generation
        return {newest.generation for newest in (await self._newest(before)).values()} <= {
            generation
        }

    async def _newest(self, shards: int) -> dict[Shard, JournalEntry]:
        """Of those that have any."""
        known = shards_of_lane(self._priority, shards)
        found = await asyncio.gather(*map(self._inbox.last_entry, known))
        return {
            shard: entry for shard, entry in zip(known, found, strict=True) if entry is not None
        }

    async def _remember(self, before: int, shards: int) -> None:
        for shard, newest in (await self._newest(before)).items():
            since_ms = self._remembered_ms.get(shard, remembered_since_ms(newest))
            async for entries in _chunks(self._inbox.journal(shard, since_ms)):
                for heir in heirs_of(shard, shards):
                    await self._inbox.remember(heir, entries)
            self._remembered_ms[shard] = newest.log_time_ms

    async def _begin(self, lane: LaneInfo, shards: int, sequence: int) -> None:
        left: dict[Shard, list[JournalEntry]] = {
            heir: [] for heir in shards_of_lane(self._priority, shards)
        }
        for shard, entry in (await self._newest(lane.shards)).items():
            for heir in heirs_of(shard, shards):
                left[heir].append(entry)
        for heir, entries in left.items():
            await self._inbox.begin(heir, first_entry(lane.generation, sequence, entries))


def refusal(standing: LaneStanding, stored: int, shards: int) -> str | None:
    """Why the lane cannot be given so many shards now; None: it can. `stored`: so many the inbox's readers know. Pure."""
    before, to_shards = standing.lane.shards, standing.to_shards
    if to_shards is None:
        if stored != before:
            return (
                f"the log has {before} shards, the inbox {stored}: was the log lost and made anew?"
            )
    elif shards not in {before, to_shards}:
        return f"a change from {before} to {to_shards} shards is under way, and the lane is closed: finish it, or take it back with {before}"
    elif stored not in {before, shards}:
        return (
            f"too late to go back to {before} shards, and the lane is closed: go on to {to_shards}"
        )
    return None


def _is_still(standing: LaneStanding, shards: int, sequence: int) -> bool:
    """Closed, with nothing after the sequence."""
    return standing.to_shards == shards and standing.last_sequence == sequence


async def _chunks(entries: AsyncIterator[JournalEntry]) -> AsyncIterator[list[JournalEntry]]:
    chunk: list[JournalEntry] = []
    async for entry in entries:
        chunk.append(entry)
        if len(chunk) == MAX_ENTRIES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
