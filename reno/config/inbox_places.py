"""Where a lane's embedded inbox is kept: one address, or one for each processor with its shards. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reno.domain.shard_set import ALL_SHARDS, ShardSet, parse_shards

_ADDRESS = re.compile(r"[^\s:=]+:\d{1,5}")


@dataclass(frozen=True, slots=True)
class InboxPlace:
    """A processor's address and the shards whose rows it has."""

    shards: ShardSet
    address: str


def parse_places(text: str) -> tuple[InboxPlace, ...]:
    """Reads "HOST:PORT", or "0-1=HOST:PORT 2-3=HOST:PORT": then every shard from 0 on stands exactly once, and their number is the lane's. Raises ValueError."""
    places = tuple(_place(word) for word in text.split())
    if not places:
        raise ValueError("no address")
    if len(places) > 1 or places[0].shards is not ALL_SHARDS:
        shard_count(places)
    return places


def shard_count(places: Sequence[InboxPlace]) -> int | None:
    """How many shards the places share out; None where one place has all, whatever their number. Raises ValueError where one is missing or stands twice."""
    if len(places) == 1 and places[0].shards.numbers is None:
        return None
    given: list[int] = []
    for place in places:
        if place.shards.numbers is None:
            raise ValueError(f"{place.address} has no shards, but is not alone")
        given += place.shards.numbers
    if sorted(given) != list(range(len(given))):
        raise ValueError(f"shards {sorted(given)}: each from 0 on must stand exactly once")
    return len(given)


def _place(word: str) -> InboxPlace:
    shards, is_shared, address = word.rpartition("=")
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{word!r} is not HOST:PORT or SHARDS=HOST:PORT")
    return InboxPlace(parse_shards(shards) if is_shared else ALL_SHARDS, address)
