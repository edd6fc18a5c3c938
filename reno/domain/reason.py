"""Why something was refused: the contract's Reason enum, without protobuf."""

from enum import IntEnum


class Reason(IntEnum):
    """Same names and numbers as reno.v1.Reason (a test holds them together)."""

    MALFORMED = 1
    INVALID = 2
    UNKNOWN_TYPE = 3
    STALE = 4
    FUTURE_TIME = 5
    MERGE_KEY_REQUIRED = 6
    TOO_LARGE = 7
    DUPLICATE = 8
    FULL = 9
    UNCERTAIN = 10
    UNAUTHENTICATED = 11
    TENANT_UNKNOWN = 12
    CURSOR_MALFORMED = 13
    CURSOR_FOREIGN = 14
    SESSION_REPLACED = 15
    DRAINING = 16
    STALLED = 17
    FENCED = 18
    TOO_MANY_SESSIONS = 19
    NOT_READY = 20
