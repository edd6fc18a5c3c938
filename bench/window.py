"""The duplicate window of one node: memory and time an id, and how long a new owner reads it back.

    .venv/bin/python -m bench.window [--ids 90000000] [--shards 12]

Ids are random, as identities are, and come evenly over ten minutes of log time. First every shard's window is filled side by side, as processors do it in batches; then one shard's
journal of as many ids is written to an embedded inbox and a fold takes it up.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from processor.duplicate_window import DuplicateWindow
from processor.fold import Fold, remembered_since_ms
from reno.adapters.rocks_inbox import RocksInbox
from reno.domain.member import IDENTITY_BYTES
from reno.domain.outcome import Outcome
from reno.domain.priority import Priority
from reno.ports import EnvelopeWrite, JournalEntry, Shard

WINDOW_MS = 600_000
BEGAN_MS = 1_790_000_000_000
BATCH_IDS = 4096
ENVELOPE_IDS = 500
APPENDED = 64
"""Envelopes a write."""


def fill(ids: int, shards: int) -> dict[str, float]:
    """All shards' windows, in turns; each id is looked up, then remembered."""
    windows = [DuplicateWindow() for _ in range(shards)]
    before_kib, began_s = _resident_kib(), time.process_time()
    drawn_s, done = 0.0, 0
    while done < ids:
        for window in windows:
            at_s = time.process_time()
            batch = _ids(BATCH_IDS)
            drawn_s += time.process_time() - at_s
            now_ms = BEGAN_MS + WINDOW_MS * done // ids
            window.first_ms(batch, BEGAN_MS - 1)
            window.remember(batch, [now_ms] * BATCH_IDS, BEGAN_MS - 1)
            done += BATCH_IDS
    used_s = time.process_time() - began_s - drawn_s
    tables = sum(window.memory_bytes for window in windows)
    return {
        "ids": done,
        "tables_mib": round(tables / 2**20, 1),
        "bytes_an_id": round(tables / done, 2),
        "resident_mib": round((_resident_kib() - before_kib) / 1024, 1),
        "cpu_us_an_id": round(used_s * 1e6 / done, 2),
    }


async def take_over(ids: int, directory: Path) -> dict[str, float]:
    """Of one shard: its journal read back into a new fold."""
    shard = Shard(Priority.HIGH, 0, 1)
    inbox = RocksInbox(directory, shard.priority, 1)
    writes: list[EnvelopeWrite] = []
    for entry in _entries(ids):
        writes.append(EnvelopeWrite(entry, ()))
        if len(writes) == APPENDED:
            await inbox.append(shard, writes)
            writes = []
    await inbox.append(shard, writes or [EnvelopeWrite(entry, ())])
    await inbox.close()

    inbox = RocksInbox(directory, shard.priority, 1)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    newest = await inbox.last_entry(shard)
    assert newest is not None
    fold, entries = Fold(0), 0
    async for entry in inbox.journal(shard, remembered_since_ms(newest)):
        fold.restore(entry)
        entries += 1
    for _ in fold.take_up():
        await asyncio.sleep(0)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    await inbox.close()
    return {
        "ids": entries * ENVELOPE_IDS,
        "seconds": round(took_s, 2),
        "cpu_us_an_id": round(cpu_s * 1e6 / (entries * ENVELOPE_IDS), 2),
    }


def _entries(ids: int) -> Iterator[JournalEntry]:
    verdicts = bytes([Outcome.STORED]) * ENVELOPE_IDS
    for number in range(1, ids // ENVELOPE_IDS + 1):
        now_ms = BEGAN_MS + WINDOW_MS * number * ENVELOPE_IDS // ids
        identities = os.urandom(IDENTITY_BYTES * ENVELOPE_IDS)
        yield JournalEntry(
            0, number, now_ms, os.urandom(16), verdicts, identities, window_ms=WINDOW_MS
        )


def _ids(count: int) -> list[bytes]:
    drawn = os.urandom(IDENTITY_BYTES * count)
    return [drawn[at : at + IDENTITY_BYTES] for at in range(0, len(drawn), IDENTITY_BYTES)]


def _resident_kib() -> int:
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1])


def main() -> None:
    """Prints JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.window", description=__doc__)
    parser.add_argument("--ids", type=int, default=90_000_000)
    parser.add_argument("--shards", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reno-window-") as place:
        one_shard = asyncio.run(take_over(options.ids // options.shards, Path(place) / "inbox"))
    result = {
        "load_before": os.getloadavg()[0],
        "node": fill(options.ids, options.shards),
        "take_over_of_one_shard": one_shard,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
