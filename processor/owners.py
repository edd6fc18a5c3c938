"""A process's owners, as shards come to it and go."""

import asyncio
from collections.abc import Callable, Collection, Iterator

from processor.owner import Owner
from processor.stopping import Stopping


class Owners:
    """`begin` makes the owner of a shard, which `tasks` then runs."""

    def __init__(
        self,
        begin: Callable[[int, Stopping], Owner],
        tasks: asyncio.TaskGroup,
        stopping: Stopping,
    ) -> None:
        self._begin = begin
        self._tasks = tasks
        self._stopping = stopping
        self._owners: dict[int, tuple[Owner, Stopping]] = {}

    def __iter__(self) -> Iterator[Owner]:
        """Also of shards that are being let go of."""
        return iter([owner for owner, _ in self._owners.values()])

    @property
    def numbers(self) -> Collection[int]:
        """Of their shards."""
        return self._owners.keys()

    @property
    def ready(self) -> bool:
        """All are past their journals."""
        return all(owner.ready.is_set() for owner in self)

    def own(self, numbers: Collection[int]) -> None:
        """These shards and no others; none when the process stops. Who lets go of a shard first delivers and purges what it stored; where it is wanted back
        meanwhile, say so again."""
        wanted = set() if self._stopping.said else set(numbers)
        for number, (_, stopping) in self._owners.items():
            if number not in wanted:
                stopping.say()
        for number in sorted(wanted - self._owners.keys()):
            stopping = Stopping()
            owner = self._begin(number, stopping)
            self._owners[number] = owner, stopping
            self._tasks.create_task(self._run(number, owner))

    async def _run(self, number: int, owner: Owner) -> None:
        try:
            await owner.run()
        finally:
            del self._owners[number]
