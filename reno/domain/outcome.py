"""What became of an event: the contract's Outcome enum, without protobuf."""

from enum import IntEnum


class Outcome(IntEnum):
    """Same names and numbers as reno.v1.Outcome (a test holds them together)."""

    PUSHED = 1
    CAUGHT_UP = 2
    PULLED = 3
    MERGED = 4
    STALE = 5
    DUPLICATE = 6
    NOT_TARGETED = 7
    EXPIRED = 8
    DEAD = 9
    LOST = 10
    STORED = 11
