"""Errors by who must act. Only the server's interceptor turns them into gRPC codes."""

from reno.domain.reason import Reason


class RenoError(Exception):
    """Something was refused or cannot be done now; `reason` is the contract's word for it."""

    def __init__(self, reason: Reason, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


class CallerFault(RenoError):
    """The caller must send something else; repeating does not help."""


class NotAllowed(RenoError):
    """The caller is not who it must be for this."""


class WrongState(RenoError):
    """What was asked does not fit the present state (stale, fenced); repeating does not help."""


class TryLater(RenoError):
    """A limit is reached; the same call may succeed after `retry_after_s`."""

    def __init__(
        self, reason: Reason, message: str, *, retry_after_s: float, field: str = ""
    ) -> None:
        super().__init__(reason, message, field=field)
        self.retry_after_s = retry_after_s


class Unavailable(RenoError):
    """What is needed does not answer now; the caller repeats, with the same ids."""


class Replaced(RenoError):
    """A newer one took this one's place; do not come back."""


class Unauthenticated(RenoError):
    """The call does not say who it comes from."""
