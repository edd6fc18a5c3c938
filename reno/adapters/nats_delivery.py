"""What a message on a reader's inbox is: a record, or a word of the server's. Pure."""

from dataclasses import dataclass

ENDED_WORDS = ("message size exceeds maxbytes", "batch completed")
"""A pull request that is served as far as its limits go."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delivered message stands: in its stream, and among what its consumer was sent."""

    sequence: int
    delivered: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Alive:
    """A heartbeat; `delivered` is the last that was sent, None where it does not say."""

    delivered: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A pull request is over; so many of its messages will not come."""

    unserved: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The consumer is no use any more."""

    why: str


def place_of(reply: str) -> Place:
    """Reads $JS.ACK[.domain.account].stream.consumer.tries.sequence.delivered.nanoseconds.pending[.random]. Raises ValueError."""
    tokens = reply.split(".")
    first = 5 if len(tokens) == 9 else 7
    if len(tokens) < 9 or tokens[1] != "ACK":
        raise ValueError(f"no delivery: {reply!r}")
    return Place(int(tokens[first]), int(tokens[first + 1]), int(tokens[first + 2]) // 1_000_000)


def word_of(headers: dict[str, str]) -> Alive | Ended | Broken:
    """What a message without a place says."""
    status = headers.get("Status", "")
    description = headers.get("Description", "")
    if status == "100":
        last = headers.get("Nats-Last-Consumer")
        return Alive(int(last) if last is not None else None)
    unserved = headers.get("Nats-Pending-Messages")
    ended = status == "408" or (status == "409" and description.lower().startswith(ENDED_WORDS))
    if ended and unserved is not None:
        return Ended(int(unserved))
    return Broken(f"{status} {description}")
