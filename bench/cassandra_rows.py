"""Envelopes for the inbox: rows that a gateway can read, of random members."""

import random
import time
from collections.abc import Sequence

from reno.domain.member import member_key, shard_of
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import EnvelopeWrite, JournalEntry, RowWrite
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event

LANE = Priority.HIGH
SHARDS = 4
ENVELOPE_ROWS = 500
APPEND_ENVELOPES = 8
TTL_MS = 7 * 86_400_000

Append = tuple[int, Sequence[EnvelopeWrite]]
"""A shard, and what one append of its busy owner holds."""


class Source:
    """Each shard's envelopes, one after the other."""

    def __init__(self, members: int) -> None:
        self.members = members
        self._sequences = [0] * SHARDS
        self._random = random.Random(1)
        keys = [(member_key("", f"m{n}"), f"m{n}") for n in range(members)]
        self._keys = [[key for key in keys if shard_of(key[0], SHARDS) == n] for n in range(SHARDS)]

    def appends(self, rows: int) -> list[Append]:
        """Of so many rows, to the next full append of every shard."""
        per_round = SHARDS * APPEND_ENVELOPES * ENVELOPE_ROWS
        return [
            (shard, [self._envelope(shard) for _ in range(APPEND_ENVELOPES)])
            for _ in range(max(1, -(-rows // per_round)))
            for shard in range(SHARDS)
        ]

    def _envelope(self, shard: int) -> EnvelopeWrite:
        self._sequences[shard] = sequence = self._sequences[shard] + 1
        now_ms = time.time_ns() // 1_000_000
        entry = JournalEntry(
            0, sequence, now_ms, bytes(16), b"\1" * ENVELOPE_ROWS, b"identity-12b" * ENVELOPE_ROWS
        )
        owners = self._random.choices(self._keys[shard], k=ENVELOPE_ROWS)
        rows = [
            RowWrite(key, position_of(0, sequence, n), now_ms + TTL_MS, row_of(member, now_ms, n))
            for n, (key, member) in enumerate(owners)
        ]
        return EnvelopeWrite(entry, rows)


def row_of(member: str, now_ms: int, number: int) -> bytes:
    """As the door makes it, about 190 B."""
    return Row(
        event=Event(
            id=f"{now_ms:x}-{number}", type="bench.high", member_id=member, payload=b"x" * 100
        ),
        accepted_at_ms=now_ms,
        push_until_ms=now_ms,
        expires_at_ms=now_ms + TTL_MS,
    ).SerializeToString()
