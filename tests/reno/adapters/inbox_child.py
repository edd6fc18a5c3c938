"""A process with an inbox: `append DIRECTORY` says each sequence when it is stored, `hold DIRECTORY` only holds it, `fill DIRECTORY` meets a full disk."""

import asyncio
import resource
import sys
from pathlib import Path

from reno.adapters import rocks_writer
from reno.adapters.rocks_inbox import RocksInbox
from reno.adapters.rocks_writer import InboxBroken
from reno.errors import Unavailable
from tests.reno.adapters.inbox_worlds import LANE, SHARDS, World, envelope, rows_of, shard_of_member

ROWS = 50
FULL_BYTES = 256 * 1024


async def append(world: World) -> None:
    sequence = 0
    while True:
        sequence += 1
        rows = [("anna", b"%d:%d" % (sequence, n)) for n in range(ROWS)]
        await world.append(envelope(sequence, *rows))
        print(sequence, flush=True)


async def fill(world: World) -> None:
    await world.append(envelope(1, ("anna", b"before")))
    room_bytes = rocks_writer.ROOM_BYTES
    rocks_writer.ROOM_BYTES = 1 << 62
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, resource.RLIM_INFINITY))
    big = envelope(2, *(("anna", b"x" * 1000) for _ in range(FULL_BYTES // 500)))
    for _ in range(2):
        try:
            await world.append(big)
        except Unavailable as error:
            print(error.reason.name)
    page = await world.read("anna")
    last = await world.inbox.last_entry(shard_of_member("anna"))
    print(rows_of([page]) == [b"before"], last.sequence if last else None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    rocks_writer.ROOM_BYTES = room_bytes
    try:
        await world.append(big)
    except InboxBroken:
        print("broken")


async def main(task: str, directory: Path) -> None:
    world = World(RocksInbox(directory, LANE, SHARDS))
    if task == "hold":
        print("held", flush=True)
        await asyncio.Event().wait()
    await {"append": append, "fill": fill}[task](world)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
