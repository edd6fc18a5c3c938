"""Results as the contract's messages. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.ingestion.refusal import Refusal, to_contract
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.v1 import ingestion_service_pb2 as contract

_ACCEPTED = contract.PublishResult.STATUS_ACCEPTED
_REFUSED = contract.PublishResult.STATUS_REFUSED
_UNCERTAIN = contract.PublishResult.STATUS_UNCERTAIN


@dataclass(frozen=True, slots=True)
class Results:
    """What became of each event of a batch: its lane where it is known, and its position or why it has none."""

    priorities: Sequence[Priority | None]
    answers: Sequence[int | Refusal]
    refused: Sequence[int]
    """Which were not accepted, by index."""


def batch_response(results: Results) -> contract.PublishBatchResponse:
    """The answer to PublishBatch."""
    response = contract.PublishBatchResponse()
    _fill(response.results, results)
    return response


def stream_response(batch_id: int, results: Results) -> contract.PublishStreamResponse:
    """The answer to one batch of a stream."""
    response = contract.PublishStreamResponse(batch_id=batch_id)
    _fill(response.results, results)
    return response


def stream_refusal(batch_id: int, refusal: contract.Refusal) -> contract.PublishStreamResponse:
    """The answer to one batch of a stream that was refused as a whole."""
    return contract.PublishStreamResponse(batch_id=batch_id, refusal=refusal)


class _Appendable(Protocol):
    def append(self, value: contract.PublishResult, /) -> None: ...


def _fill(into: _Appendable, results: Results) -> None:
    append = into.append
    # Appending copies, so that one message serves all that are accepted, and one all that a flooded lane refuses.
    accepted = contract.PublishResult(status=_ACCEPTED)
    refused = accepted
    said: tuple[Priority | None, Refusal] | None = None
    for index, (priority, answer) in enumerate(
        zip(results.priorities, results.answers, strict=True)
    ):
        if not isinstance(answer, Refusal):
            accepted.priority = priority  # type: ignore[assignment]  # same numbers
            accepted.position = answer
            append(accepted)
            continue
        if said is None or said[0] is not priority or said[1] is not answer:
            refused = _refused(priority, answer, f"events[{index}]")
            # What names a field names the event's index too.
            said = (priority, answer) if answer.field is None else None
        append(refused)


def _refused(priority: Priority | None, refusal: Refusal, path: str) -> contract.PublishResult:
    return contract.PublishResult(
        status=_UNCERTAIN if refusal.reason is Reason.UNCERTAIN else _REFUSED,
        priority=priority or 0,  # type: ignore[arg-type]  # same numbers
        refusal=to_contract(refusal, path),
    )
