"""The inbox that the settings name. Only what is used is imported: Cassandra's drivers are an extra."""

from typing import TYPE_CHECKING, Protocol

from reno.config.settings import Settings
from reno.domain.priority import LANES, Priority
from reno.domain.shard_set import parse_shards
from reno.ports import Inbox, InboxReader, Shard

if TYPE_CHECKING:
    from reno.adapters.cassandra_inbox import CassandraInbox

CASSANDRA = "cassandra"
MOVING = "moving"


class GatewayInbox(InboxReader, Protocol):
    """What a gateway is wired with."""

    def part(self, priority: Priority, tenant: str, member_id: str) -> int:
        """Members of one part are asked for together; a part that does not answer holds no other up."""
        ...

    async def close(self) -> None:
        """Ends or awaits calls in flight."""
        ...


def inbox_of(settings: Settings, priority: Priority, shards: int) -> Inbox:
    """A processor's. An embedded one is open when this returns (see RocksInbox); Cassandra is connected to with the first request. Raises InboxMismatch, too, where
    this inbox would miss what the other one has (see RocksMove)."""
    from reno.adapters.rocks_move import RocksMove  # noqa: PLC0415

    directory = settings.data_dir / "inbox" / priority.word
    move = RocksMove(directory)
    if settings.inbox.engine == CASSANDRA:
        move.retire()
        return _cassandra(settings, priority, shards)
    from reno.adapters.rocks_inbox import RocksInbox  # noqa: PLC0415

    owned = parse_shards(settings.processor.shards)
    max_rows = settings.inbox.max_member_rows
    embedded = RocksInbox(directory, priority, shards, owned=owned, max_member_rows=max_rows)
    try:
        if settings.inbox.engine != MOVING:
            move.give_up(embedded.directory)
            return embedded
        name = move.begin(embedded.directory)
    except BaseException:
        embedded.directory.close()
        raise
    from reno.adapters.moving_inbox import MovingInbox  # noqa: PLC0415

    kept = [Shard(priority, number, shards) for number in owned.of(shards)]
    return MovingInbox(embedded, _cassandra(settings, priority, shards, name), kept)


def _cassandra(
    settings: Settings, priority: Priority, shards: int, move: str = ""
) -> "CassandraInbox":
    from reno.adapters.cassandra_inbox import CassandraInbox  # noqa: PLC0415
    from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
    from reno.adapters.cassandra_statements import STORING  # noqa: PLC0415

    return CassandraInbox(
        CassandraSession(settings.inbox, STORING),
        priority,
        shards,
        read_timeout_s=settings.gateway.read_timeout_s,
        max_member_rows=settings.inbox.max_member_rows,
        move=move,
    )


def inbox_reader_of(settings: Settings) -> GatewayInbox:
    """A gateway's: Cassandra itself, or the processors that have the embedded inboxes, also while these move."""
    timeout_s = settings.gateway.read_timeout_s
    if settings.inbox.engine == CASSANDRA:
        from reno.adapters.cassandra_reader import CassandraReader  # noqa: PLC0415
        from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
        from reno.adapters.cassandra_statements import READING  # noqa: PLC0415

        session = CassandraSession(settings.inbox, READING)
        return CassandraReader(session, timeout_s, settings.inbox.max_member_rows)
    from reno.adapters.inbox_client import InboxClient  # noqa: PLC0415

    return InboxClient({lane: settings.inbox.text(lane) for lane in LANES}, timeout_s)
