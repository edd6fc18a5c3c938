"""A process's share of its lane's shards, as it changes with who comes and goes."""

import asyncio
from collections.abc import Callable, Set
from uuid import uuid4

import structlog

from processor.attendance import Attendance
from processor.sharing import shards_of
from processor.stopping import Stopping
from reno.domain.priority import Priority
from reno.domain.shard_set import ShardSet
from reno.ports import Beat, LogAbsent, Roster, Word

_log = structlog.get_logger("reno.processor")

BEATS_PER_LEASE = 3
LOOKS_PER_LEASE = 12
SETTLES_PER_LEASE = 2
"""Who comes listens for more than a beat's time, and has heard of all the others by then."""


class Share:
    """Tells `own` which shards are this process's, again and again.

    While the log is away nobody hears anybody, and each process goes on with what it has. So does one that was frozen, though another has its shards by then,
    until it hears itself again: two owners of a shard do no harm.
    """

    def __init__(
        self,
        roster: Roster,
        priority: Priority,
        shards: int,
        lease_s: float,
        stopping: Stopping,
        own: Callable[[frozenset[int]], None],
    ) -> None:
        self._roster = roster
        self._priority = priority
        self._shards = shards
        self._lease_s = lease_s
        self._stopping = stopping
        self._own = own
        self._clock_s = asyncio.get_running_loop().time
        self._me = uuid4().hex
        self._attendance = Attendance(self._me, lease_s, lease_s / SETTLES_PER_LEASE)
        self._living: Set[str] = frozenset()
        self._mine: frozenset[int] = frozenset()
        self._sighted_s = self._clock_s()
        self._is_told = False

    @property
    def is_known(self) -> bool:
        """Which shards are this process's; they may be none."""
        return bool(self._living)

    async def run(self) -> None:
        """Until the process stops; it is silent then, and counts for a lease longer unless it says goodbye."""
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear())
            # Who is heard before he listens counts with the others before he counts himself.
            due_s = self._clock_s() + self._lease_s / LOOKS_PER_LEASE
            word = Word.COMING
            while not self._stopping.said:
                now_s = self._clock_s()
                word, said = self._attendance.word(now_s), word
                if now_s >= due_s or word is not said:
                    due_s = now_s + self._lease_s / BEATS_PER_LEASE
                    await self._say(word)
                self._look(now_s)
                await self._stopping.said_within(self._lease_s / LOOKS_PER_LEASE)
            hearing.cancel()

    async def say_goodbye(self) -> None:
        """Everything is let go of: the others need not wait until the lease ends."""
        await self._say(Word.GONE)

    def _look(self, now_s: float) -> None:
        living = self._attendance.living(now_s)
        if living is None:
            self._tell_blindness(now_s)
            return
        self._sighted_s, self._is_told = now_s, False
        if living != self._living:
            self._living = living
            self._mine = shards_of(self._me, living, self._shards)
            shards = str(ShardSet(self._mine))
            _log.info("shards shared out", mine=shards, processors=len(living), me=self._me)
        self._own(self._mine)

    def _tell_blindness(self, now_s: float) -> None:
        if not self._is_told and now_s - self._sighted_s >= 2 * self._lease_s:
            self._is_told = True
            _log.error(
                "the lane's other processors are not heard: shards stay where they are",
                mine=str(ShardSet(self._mine)),
                advice="is the log there, and may its user say reno.roster (reno nats config)?",
            )

    async def _hear(self) -> None:
        async for beat in self._roster.hear(self._priority):
            self._attendance.heard(beat, self._clock_s())
            self._look(self._clock_s())

    async def _say(self, word: Word) -> None:
        try:
            await self._roster.say(self._priority, Beat(self._me, word))
        except LogAbsent as error:
            _log.debug("not heard by the others", why=str(error))
