"""The inbox that the settings name. Only what is used is imported: Cassandra's drivers are an extra."""

from typing import Protocol

from reno.config.settings import Settings
from reno.domain.priority import LANES, Priority
from reno.domain.shard_set import parse_shards
from reno.ports import Inbox, InboxReader

CASSANDRA = "cassandra"


class GatewayInbox(InboxReader, Protocol):
    """What a gateway is wired with."""

    def part(self, priority: Priority, tenant: str, member_id: str) -> int:
        """Members of one part are asked for together; a part that does not answer holds no other up."""
        ...

    async def close(self) -> None:
        """Ends or awaits calls in flight."""
        ...


def inbox_of(settings: Settings, priority: Priority, shards: int) -> Inbox:
    """A processor's. An embedded one is open when this returns (see RocksInbox); Cassandra is connected to with the first request."""
    max_rows = settings.inbox.max_member_rows
    if settings.inbox.engine == CASSANDRA:
        from reno.adapters.cassandra_inbox import CassandraInbox  # noqa: PLC0415
        from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
        from reno.adapters.cassandra_statements import STORING  # noqa: PLC0415

        session = CassandraSession(settings.inbox, STORING)
        timeout_s = settings.gateway.read_timeout_s
        return CassandraInbox(
            session, priority, shards, read_timeout_s=timeout_s, max_member_rows=max_rows
        )
    from reno.adapters.rocks_inbox import RocksInbox  # noqa: PLC0415

    directory = settings.data_dir / "inbox" / priority.word
    owned = parse_shards(settings.processor.shards)
    return RocksInbox(directory, priority, shards, owned=owned, max_member_rows=max_rows)


def inbox_reader_of(settings: Settings) -> GatewayInbox:
    """A gateway's: Cassandra itself, or the processors that have the embedded inboxes."""
    timeout_s = settings.gateway.read_timeout_s
    if settings.inbox.engine == CASSANDRA:
        from reno.adapters.cassandra_reader import CassandraReader  # noqa: PLC0415
        from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
        from reno.adapters.cassandra_statements import READING  # noqa: PLC0415

        session = CassandraSession(settings.inbox, READING)
        return CassandraReader(session, timeout_s, settings.inbox.max_member_rows)
    from reno.adapters.inbox_client import InboxClient  # noqa: PLC0415

    return InboxClient({lane: settings.inbox.text(lane) for lane in LANES}, timeout_s)
