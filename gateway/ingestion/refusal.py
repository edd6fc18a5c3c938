"""A refusal: why the door did not take an event or a batch, and what the caller can do."""

from dataclasses import dataclass

from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, TryLater, Unavailable, WrongState
from reno.v1 import ingestion_service_pb2 as contract
from reno.wire.clock import duration


@dataclass(frozen=True, slots=True)
class Refusal:
    """`field` is relative to the event: None where no field is at fault, empty for the event as a whole."""

    reason: Reason
    message: str
    field: str | None = None
    retry_after_s: float | None = None


_WRONG_STATE = frozenset({Reason.STALE})
_UNAVAILABLE = frozenset({Reason.UNCERTAIN, Reason.NOT_READY, Reason.DRAINING})


def error_of(refusal: Refusal, event_path: str) -> RenoError:
    """The same as an error, for a call that carries one event at `event_path`."""
    reason, message = refusal.reason, refusal.message
    field = path_of(refusal, event_path)
    if refusal.retry_after_s is not None and reason is Reason.FULL:
        return TryLater(reason, message, retry_after_s=refusal.retry_after_s, field=field)
    if reason in _UNAVAILABLE:
        return Unavailable(reason, message, field=field)
    if reason in _WRONG_STATE:
        return WrongState(reason, message, field=field)
    return CallerFault(reason, message, field=field)


def path_of(refusal: Refusal, event_path: str) -> str:
    """The field's path from the request's root; empty where no field is at fault."""
    if refusal.field is None:
        return ""
    return f"{event_path}.{refusal.field}" if refusal.field else event_path


def to_contract(refusal: Refusal, event_path: str) -> contract.Refusal:
    """The contract's message."""
    return contract.Refusal(
        reason=int(refusal.reason),  # type: ignore[arg-type]  # same numbers
        field=path_of(refusal, event_path),
        message=refusal.message,
        retry_after=None if refusal.retry_after_s is None else duration(refusal.retry_after_s),
    )


def batch_refusal(error: RenoError, retry_after_s: float) -> contract.Refusal:
    """A whole batch of a stream refused; a repeat helps only where the door itself was the cause."""
    retry = isinstance(error, TryLater | Unavailable)
    return contract.Refusal(
        reason=int(error.reason),  # type: ignore[arg-type]  # same numbers
        field=error.field,
        message=error.message,
        retry_after=duration(retry_after_s) if retry else None,
    )
