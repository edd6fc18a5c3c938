"""When a device or a watcher in the terminal comes back, and when it does not. Pure."""

from enum import Enum

import grpc

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
FIRST_FRAME_TIMEOUT_S = 15.0
"""Until the server has named the interval of its signs of life."""


class Next(Enum):
    """What a device does after its stream ended."""

    COME_BACK = "come back"
    REPLACED = "replaced"
    GIVE_UP = "give up"


_COME_BACK = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.OK,
    }
)


def after(code: grpc.StatusCode) -> Next:
    """What the contract says of the statuses that end a stream; a proxy's INTERNAL or UNKNOWN is a break like any other."""
    if code is grpc.StatusCode.ABORTED:
        return Next.REPLACED
    return Next.COME_BACK if code in _COME_BACK else Next.GIVE_UP


def delay_s(failures: int, luck: float, retry_after_s: float | None = None) -> float:
    """Before the next try after so many failures in a row (1 is the first), and not before the server said; luck in [0, 1) spreads devices over the second half of it."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
    return max(float(longest * (0.5 + luck / 2)), retry_after_s or 0.0)
