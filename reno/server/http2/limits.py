"""What one server takes from its callers, as the other transport's options say it."""

from dataclasses import dataclass

WRITE_HIGH_BYTES = 256 * 1024
"""A connection with so much that its peer has not read takes no more messages."""
JOINED_BYTES = 64 * 1024
"""So much of one turn of the loop is written before the turn ends."""
MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Answers to control frames come on top of messages; a peer that makes so many and reads none is let go."""
HEADER_LIST_BYTES = 128 * 1024
"""Of one call's headers, unpacked: more ends the connection, for the rest of it cannot be understood without them. More than max_metadata_bytes only ends the call."""
MAX_EARLY_RESETS_PER_S = 1000
"""Calls that are cancelled before they were answered: each costs more to take than to send."""
LINGER_S = 30.0
"""How long the end of a call waits for a reader that has taken the half of a message."""
CLOSE_S = 1.0
"""How long a peer may take to close its side, so that it reads our last words before the connection is gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a server, by its settings."""

    max_receive_bytes: int
    max_metadata_bytes: int
    max_concurrent_streams: int
    """Of one connection."""
    max_connection_idle_s: float
    keepalive_s: float
    keepalive_timeout_s: float

    @property
    def hard_metadata_bytes(self) -> int:
        """More is refused."""
        return self.max_metadata_bytes * 5 // 4
