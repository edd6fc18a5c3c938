"""What a failed publish means: full, absent, or nobody knows. Pure.

Certain, nothing was stored by this attempt: every LogFull and LogAbsent. The server says "maximum bytes exceeded" before it writes (discard new), checks its own
store limits before it writes, and answers 4xx from its checks; without responders nobody took the message. Uncertain: no answer, a store that failed while it
wrote (disk full or broken: the tail may or may not be there after recovery), any other 5xx, and an id whose first attempt is still under way."""

from nats import errors as nats_errors
from nats.js.errors import APIError, NoStreamResponseError

from reno.ports import LogAbsent, LogFull, LogUnconfirmed

STORE_FAILED = 10077
FULL_WORDS = ("maximum bytes exceeded", "maximum messages exceeded")
NO_ROOM = frozenset({10002, 10023, 10047})
"""Account's, server's, storage's limits: checked before the message is written."""

NOT_THERE = frozenset({10035, 10039, 10059, 10060, 10076})
"""No JetStream, no such stream, or another one has the subject."""

IN_PROCESS = 10158
"""The same id's first attempt is not decided yet."""


def is_decided(error: Exception) -> bool:
    """The log's servers answered, though they refused. Without an answer, without a leader or without responders they did not."""
    if not isinstance(error, APIError) or isinstance(error, NoStreamResponseError):
        return False
    if error.err_code == IN_PROCESS:
        return False
    return 400 <= (error.code or 0) < 500 or _is_full(error)


def refusal(
    error: nats_errors.Error | TimeoutError,
) -> LogFull | LogAbsent | LogUnconfirmed:
    """The port's word for a publish that was sent and failed."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, NoStreamResponseError):
        return LogAbsent(text)
    if not isinstance(error, APIError):
        return LogUnconfirmed(text)
    if _is_full(error):
        return LogFull(text)
    checked = error.err_code != IN_PROCESS and 400 <= (error.code or 0) < 500
    if checked or error.err_code in NOT_THERE:
        return LogAbsent(text)
    return LogUnconfirmed(text)


def _is_full(error: APIError) -> bool:
    description = (error.description or "").lower()
    return error.err_code in NO_ROOM or (
        error.err_code == STORE_FAILED and any(words in description for words in FULL_WORDS)
    )
