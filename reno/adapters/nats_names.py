"""What streams and subjects are called, and how a stream is made."""

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, Shard

GENERATION_KEY = "reno.generation"
SHARDS_KEY = "reno.shards"
TO_SHARDS_KEY = "reno.to-shards"
"""While the lane is closed: how many it is to have."""

DUPLICATE_WINDOW_S = 120.0
"""How long the log knows a message id again; the fold knows envelopes for longer."""

DEAD_STREAM = "RENO_DEAD"
DEAD_SUBJECTS = "reno.dead.>"
WHY_HEADER = "Reno-Why"
SEQUENCE_HEADER = "Reno-Sequence"
TIMESTAMP_HEADER = "Reno-Timestamp-Ms"
ROWS_HEADER = "Reno-Rows"
"""Of a dead letter: why it is one, where the message stood in its lane's log, and which rows of the envelope it is about."""


def stream_of(priority: Priority) -> str:
    """The lane's stream."""
    return f"RENO_{priority.name}"


def subject_of(shard: Shard) -> str:
    """Where the shard's envelopes are. Who believes in another number of shards writes where no stream listens, not to another shard."""
    return f"reno.events.{shard.priority.word}.{shard.shards}.{shard.number}"


def subjects_of(priority: Priority, shards: int) -> str:
    """Of the shards of a lane that has so many."""
    return f"reno.events.{priority.word}.{shards}.*"


def closed_subject(priority: Priority) -> str:
    """The lane's stream listens here alone while the number of its shards changes."""
    return f"reno.closed.{priority.word}"


def dead_subject_of(shard: Shard) -> str:
    """Where the shard's dead letters are."""
    return f"reno.dead.{shard.priority.word}.{shard.shards}.{shard.number}"


def shard_of_dead_subject(subject: str) -> Shard:
    """Raises ValueError."""
    try:
        lane, shards, number = subject.removeprefix("reno.dead.").split(".")
        return Shard(Priority[lane.upper()], int(number), int(shards))
    except KeyError as error:
        raise ValueError(f"no dead letter's subject: {subject}") from error


def roster_subject(priority: Priority) -> str:
    """What the lane's processors say to each other begins with this, and ends with who says it."""
    return f"reno.roster.{priority.word}"


def inbox_prefix(user: str) -> str:
    """Where a user's answers come to: a place of its own, or one role could read what another one asked for."""
    return f"_INBOX.{user}"


def lane_config(priority: Priority, settings: LogSettings) -> StreamConfig:
    """A lane's stream as it is created: full says no, and nothing leaves unless it is purged."""
    return _config(
        stream_of(priority),
        subjects_of(priority, settings.shards),
        settings.max_bytes(priority),
        settings.replicas,
        {GENERATION_KEY: "0", SHARDS_KEY: str(settings.shards)},
    )


def dead_config(max_bytes: int, replicas: int) -> StreamConfig:
    """The dead letters' stream as it is created."""
    return _config(DEAD_STREAM, DEAD_SUBJECTS, max_bytes, replicas, {})


def lane_info(stream: str, metadata: dict[str, str] | None) -> LaneInfo:
    """Raises LogAbsent where the stream was not made by RENO."""
    try:
        known = metadata or {}
        return LaneInfo(int(known[GENERATION_KEY]), int(known[SHARDS_KEY]))
    except (KeyError, ValueError) as error:
        raise LogAbsent(f"stream {stream} is not a lane: metadata {metadata}") from error


def _config(
    name: str, subject: str, max_bytes: int, replicas: int, metadata: dict[str, str]
) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_S,
        metadata=metadata,
    )
