"""What a lane's shards have from those that it was divided into before. Pure."""

from collections.abc import Collection
from math import gcd

from reno.ports import JournalEntry, Shard, shards_of_lane


def heirs_of(shard: Shard, shards: int) -> list[Shard]:
    """The shards that its members are in when the lane has so many: the hash that gives a member's shard leaves the same rest in both."""
    alike = gcd(shard.shards, shards)
    return shards_of_lane(shard.priority, shards)[shard.number % alike :: alike]


def first_entry(generation: int, sequence: int, newest: Collection[JournalEntry]) -> JournalEntry:
    """A shard's first entry, at a sequence above all that was appended to the lane. `newest`: of the shards that it is an heir of."""
    return JournalEntry(
        generation,
        sequence,
        max((entry.log_time_ms for entry in newest), default=0),
        b"",
        b"",
        b"",
        window_ms=max((entry.window_ms for entry in newest), default=0),
    )
