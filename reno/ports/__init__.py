"""What the rooms need from the outside, as protocols. Adapters implement them; one contract suite runs on all adapters of a port."""

from reno.ports.delivery import Deliverer, DeliveryRow
from reno.ports.inbox import (
    MAX_SLICES,
    Acknowledged,
    EnvelopeWrite,
    Inbox,
    InboxReader,
    JournalEntry,
    Page,
    RowWrite,
    Slice,
    StoredRow,
)
from reno.ports.log import (
    LaneInfo,
    LogAbsent,
    LogFull,
    LogReader,
    LogRecord,
    LogShorter,
    LogUnconfirmed,
    LogWriter,
)
from reno.ports.presence import (
    GatewayAddress,
    Located,
    PresenceAnnouncer,
    PresenceLookup,
    SessionPlace,
)
from reno.ports.resharding import (
    CannotReshard,
    LaneStanding,
    ReshardedInbox,
    ReshardedLog,
)
from reno.ports.roster import Beat, Roster, Word
from reno.ports.shard import Shard, shards_of_lane

__all__ = [
    "MAX_SLICES",
    "Acknowledged",
    "Beat",
    "CannotReshard",
    "Deliverer",
    "DeliveryRow",
    "EnvelopeWrite",
    "GatewayAddress",
    "Inbox",
    "InboxReader",
    "JournalEntry",
    "LaneInfo",
    "LaneStanding",
    "Located",
    "LogAbsent",
    "LogFull",
    "LogReader",
    "LogRecord",
    "LogShorter",
    "LogUnconfirmed",
    "LogWriter",
    "Page",
    "PresenceAnnouncer",
    "PresenceLookup",
    "ReshardedInbox",
    "ReshardedLog",
    "Roster",
    "RowWrite",
    "SessionPlace",
    "Shard",
    "Slice",
    "StoredRow",
    "Word",
    "shards_of_lane",
]
