"""Results as the bytes of the contract's answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.ingestion.refusal import Refusal, to_contract
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.v1 import ingestion_service_pb2 as contract
from reno.wire.joining import repeated, varint

_ACCEPTED = contract.PublishResult.STATUS_ACCEPTED
_REFUSED = contract.PublishResult.STATUS_REFUSED
_UNCERTAIN = contract.PublishResult.STATUS_UNCERTAIN

_LOW_BITS = 14
_LOW = tuple(bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(1 << _LOW_BITS))
"""The first two bytes of a longer varint: what differs between the places of an envelope's rows."""

_ACCEPTED_IN: Mapping[Priority | None, bytes] = {
    lane: contract.PublishResult(
        status=_ACCEPTED,
        priority=int(lane),  # type: ignore[arg-type]  # same numbers
    ).SerializeToString()
    + varint(contract.PublishResult.POSITION_FIELD_NUMBER << 3)
    for lane in LANES
}
"""A result up to its position."""


@dataclass(frozen=True, slots=True)
class Results:
    """What became of each event of a batch: its lane where it is known, and its position or why it has none."""

    priorities: Sequence[Priority | None]
    answers: Sequence[int | Refusal]
    refused: Sequence[int]
    """Which were not accepted, by index."""


def batch_response(results: Results) -> bytes:
    """The answer to PublishBatch, serialised."""
    return _joined(contract.PublishBatchResponse.RESULTS_FIELD_NUMBER, results)


def stream_response(batch_id: int, results: Results) -> bytes:
    """The answer to one batch of a stream, serialised."""
    start = contract.PublishStreamResponse(batch_id=batch_id).SerializeToString()
    return start + _joined(contract.PublishStreamResponse.RESULTS_FIELD_NUMBER, results)


def stream_refusal(batch_id: int, refusal: contract.Refusal) -> bytes:
    """The answer to one batch of a stream that was refused as a whole, serialised."""
    return contract.PublishStreamResponse(batch_id=batch_id, refusal=refusal).SerializeToString()


def _joined(field_number: int, results: Results) -> bytes:
    tag = varint(field_number << 3 | 2)
    pieces: list[bytes] = []
    around: dict[tuple[Priority | None, int], tuple[bytes, bytes]] = {}
    refused = b""
    said: tuple[Priority | None, Refusal] | None = None
    for index, (priority, answer) in enumerate(
        zip(results.priorities, results.answers, strict=True)
    ):
        if not isinstance(answer, Refusal):
            at = priority, answer >> _LOW_BITS
            before, after = around.get(at) or around.setdefault(at, _around(tag, *at))
            pieces += before, _LOW[answer & len(_LOW) - 1], after
            continue
        if said is None or said[0] is not priority or said[1] is not answer:
            refused = repeated(field_number, [_refused(priority, answer, f"events[{index}]")])
            # One answer serves all that a flooded lane refuses; what names a field names the event's index too.
            said = (priority, answer) if answer.field is None else None
        pieces.append(refused)
    return b"".join(pieces)


def _around(tag: bytes, priority: Priority | None, high: int) -> tuple[bytes, bytes]:
    """What stands before and behind the low bits of an accepted event's position, the last field of its result."""
    start = _ACCEPTED_IN[priority]
    # A number may have more bytes than it needs: a high part of 0 is one.
    after = varint(high)
    return tag + varint(len(start) + 2 + len(after)) + start, after


def _refused(priority: Priority | None, refusal: Refusal, path: str) -> bytes:
    return contract.PublishResult(
        status=_UNCERTAIN if refusal.reason is Reason.UNCERTAIN else _REFUSED,
        priority=priority or 0,  # type: ignore[arg-type]  # same numbers
        refusal=to_contract(refusal, path),
    ).SerializeToString()
