"""What a lane's log and inbox are divided into."""

from dataclasses import dataclass

from reno.domain.priority import Priority


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a lane, read and written by one owner."""

    priority: Priority
    number: int
    shards: int
    """How many the lane is divided into: with another count it is another shard."""


def shards_of_lane(priority: Priority, shards: int) -> list[Shard]:
    """All of a lane."""
    return [Shard(priority, number, shards) for number in range(shards)]
