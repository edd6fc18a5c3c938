"""What follows an attempt to append an envelope that failed. Pure."""

from enum import Enum, auto

from reno.domain.reason import Reason

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5


class Failure(Enum):
    """What the log said to one attempt."""

    FULL = auto()
    ABSENT = auto()
    UNCONFIRMED = auto()


def verdict_of(failure: Failure, *, may_be_stored: bool, left_s: float) -> Reason | None:
    """Why the envelope is given up now, or None: the same bytes again. `may_be_stored`: this or an earlier attempt was not confirmed.

    Only what is certainly not stored is refused as FULL or NOT_READY; nobody may be told to go elsewhere with events that may already be on their way.
    """
    if failure is Failure.FULL and not may_be_stored:
        return Reason.FULL
    if left_s > 0:
        return None
    return Reason.UNCERTAIN if may_be_stored else Reason.NOT_READY


def pause_s(failures: int, left_s: float) -> float:
    """How long to wait before the next attempt, after so many failures (1 or more); never beyond what is left."""
    doubled = FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16)
    return max(0.0, min(doubled, LONGEST_PAUSE_S, left_s))
