"""What a lane's log and inbox are divided into."""

from dataclasses import dataclass

from reno.domain.priority import Priority


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a lane, read and written by one owner."""

    priority: Priority
    number: int
