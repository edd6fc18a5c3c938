"""Copies a lane's snapshot to Cassandra, chunk by chunk, from where it stopped the last time."""

import asyncio
import time
from collections.abc import Callable

from reno.adapters.cassandra_copy import CassandraCopy
from reno.adapters.copy_progress import FAMILIES, Progress, pause_s
from reno.adapters.rocks_snapshot import RocksSnapshot


async def copy_inbox(
    snapshot: RocksSnapshot,
    target: CassandraCopy,
    keys_per_s: float,
    said: Callable[[Progress], None],
) -> Progress:
    """Returns when everything of the snapshot is in Cassandra, was read there, and its shards are shown. A copy that was complete is looked through again.
    Raises WrongState where no processor has begun the move, errors.Unavailable when Cassandra does not answer: call it again then.
    """
    for shard in snapshot.shards:
        await target.expect_move(shard, snapshot.move)
    progress = snapshot.progress()
    if progress.is_done:
        progress = Progress()
    copying = {
        "rows": target.rows,
        "acknowledged": target.acknowledged,
        "journal": target.journal,
    }
    started_s, before = time.monotonic(), progress.keys
    while not progress.is_done:
        family = FAMILIES[progress.family]
        chunk = snapshot.chunk(family, bytes.fromhex(progress.after))
        if chunk:
            written = await copying[family](chunk)
            progress = progress.past(chunk[-1][0], len(chunk), written)
        else:
            progress = progress.next_family()
        snapshot.keep(progress)
        said(progress)
        elapsed_s = time.monotonic() - started_s
        await asyncio.sleep(pause_s(progress.keys - before, elapsed_s, keys_per_s))
    for shard in snapshot.shards:
        await target.seal(shard, snapshot.newest(shard), snapshot.move)
    return progress
