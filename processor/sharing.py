"""Which of a lane's shards each of its processors has. Pure: whoever knows the same names comes to the same shares."""

from collections.abc import Collection

from xxhash import xxh3_64_intdigest


def shards_of(me: str, living: Collection[str], shards: int) -> frozenset[int]:
    """Mine, where I am one of the living. Every shard has exactly one owner, and nobody has two more than another; when one comes or goes, little more moves
    than has to."""
    return frozenset(number for number, name in _owners(living, shards).items() if name == me)


def _owners(living: Collection[str], shards: int) -> dict[int, str]:
    """The pairs that like each other best find each other first, as long as there is room: a shard stays where it is unless its owner goes or has to
    make room."""
    room, one_more = divmod(shards, len(living))
    held = dict.fromkeys(living, 0)
    owners: dict[int, str] = {}
    for _, number, name in sorted(
        (xxh3_64_intdigest(f"{name}/{number}".encode()), number, name)
        for name in living
        for number in range(shards)
    ):
        if number in owners or held[name] > room or (held[name] == room and not one_more):
            continue
        one_more -= held[name] == room
        held[name] += 1
        owners[number] = name
    return owners
