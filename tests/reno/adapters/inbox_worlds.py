"""The inboxes that the contract runs on, each with the reader that its devices would use."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from processor.inbox_service import InboxServicer
from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING, STORING
from reno.adapters.inbox_client import InboxClient
from reno.adapters.memory_inbox import MemoryInbox
from reno.adapters.paging import MAX_MEMBER_ROWS
from reno.adapters.rocks_inbox import RocksInbox
from reno.config.cassandra_settings import CassandraSettings
from reno.config.settings import ServerSettings
from reno.domain.member import member_key, shard_of
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import (
    EnvelopeWrite,
    Inbox,
    InboxReader,
    JournalEntry,
    Page,
    RowWrite,
    Shard,
    Slice,
)
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import nobody
from reno.v1.inbox_service_pb2_grpc import add_InboxServiceServicer_to_server
from tests.servers.cassandra import SHARED

SHARDS = 4
LANE = Priority.HIGH
NEVER_MS = 10**15
KINDS = ("memory", "rocks", "client", "cassandra")


class World:
    """An inbox to write to and a reader of it, with one clock."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.reader: InboxReader = inbox
        self.now_ms = 1_000

    async def read(
        self,
        member: str,
        after: int = 0,
        *,
        device: str = "",
        max_rows: int = 200,
        max_bytes: int = 1 << 20,
    ) -> Page:
        wanted = Slice("", member, device, after, max_rows, max_bytes)
        (page,) = await self.reader.read(LANE, [wanted], self.now_ms)
        return page

    async def append(self, *writes: EnvelopeWrite, shard: int | None = None) -> None:
        await self.inbox.append(
            Shard(LANE, home(*writes) if shard is None else shard, SHARDS), writes
        )


@asynccontextmanager
async def open_world(
    kind: str, directory: Path, max_member_rows: int = MAX_MEMBER_ROWS
) -> AsyncIterator[World]:
    if kind == "cassandra":
        async with open_cassandra(SHARED.emptied(), max_member_rows) as world:
            yield world
        return
    inbox: Inbox
    if kind == "memory":
        inbox = MemoryInbox(SHARDS, max_member_rows)
    else:
        inbox = RocksInbox(directory, LANE, SHARDS, max_member_rows=max_member_rows)
    world = World(inbox)
    if kind != "client":
        yield world
        await inbox.close()
        return
    async with serve(InboxServicer(inbox, LANE, now_ms=lambda: world.now_ms)) as address:
        client = InboxClient({LANE: address}, timeout_s=10.0)
        world.reader = client
        yield world
        await client.close()
    await inbox.close()


@asynccontextmanager
async def open_cassandra(
    settings: CassandraSettings, max_member_rows: int = MAX_MEMBER_ROWS
) -> AsyncIterator[World]:
    """With what is in the keyspace; the reader has a session of its own, as a gateway has."""
    session = CassandraSession(settings, STORING)
    world: World
    inbox = CassandraInbox(session, LANE, SHARDS, read_timeout_s=30.0, now_ms=lambda: world.now_ms)
    world = World(inbox)
    reader = CassandraReader(CassandraSession(settings, READING), 30.0, max_member_rows)
    try:
        # A lane that no processor ever opened cannot be read.
        await inbox.last_entry(Shard(LANE, 0, SHARDS))
        world.reader = reader
        yield world
    finally:
        await reader.close()
        await inbox.close()


@asynccontextmanager
async def serve(servicer: InboxServicer) -> AsyncIterator[str]:
    service = Service("reno.v1.InboxService", add_InboxServiceServicer_to_server, servicer)
    server = GrpcServer(
        ServerSettings(drain_s=0.1),
        "127.0.0.1:0",
        [service],
        nobody,
        public=False,
        max_receive_bytes=4 << 20,
    )
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


def envelope(
    sequence: int,
    *rows: tuple[str, bytes],
    generation: int = 0,
    expires_at_ms: int = NEVER_MS,
    log_time_ms: int | None = None,
) -> EnvelopeWrite:
    """Rows are (member, bytes), at the envelope's indices in order."""
    entry = JournalEntry(
        generation=generation,
        sequence=sequence,
        log_time_ms=sequence * 10 if log_time_ms is None else log_time_ms,
        envelope_id=sequence.to_bytes(16, "big"),
        verdicts=b"\x0b" * len(rows),
        identities=b"identity-12b" * len(rows),
    )
    writes = [
        RowWrite(
            member_key("", member), position_of(generation, sequence, index), expires_at_ms, row
        )
        for index, (member, row) in enumerate(rows)
    ]
    return EnvelopeWrite(entry, writes)


def home(*writes: EnvelopeWrite) -> int:
    """The shard of the first row's member."""
    return shard_of(writes[0].rows[0].member_key, SHARDS)


def shard_of_member(member: str) -> Shard:
    return Shard(LANE, shard_of(member_key("", member), SHARDS), SHARDS)


def same_shard(count: int, shard: int = 0) -> list[str]:
    """So many members of one shard."""
    found = (f"m{n}" for n in range(count * SHARDS * 20))
    return [m for m in found if shard_of_member(m).number == shard][:count]


def rows_of(pages: Sequence[Page]) -> list[bytes]:
    return [row.row for page in pages for row in page.rows]
