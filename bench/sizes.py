"""Bytes of one event at each hop, from the code that writes them."""

import statistics

import uuid_utils

from gateway.ingestion.resolving import Resolver, policies_of
from reno.adapters.inbox_keys import entry_value, row_value, rows_prefix
from reno.catalogue.catalogue import load
from reno.domain.identity import Backend
from reno.domain.member import event_identity, member_key
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import JournalEntry
from reno.render import common_of, render_answer, render_notification
from reno.v1.delivery_service_pb2 import DeliverRequest, Delivery
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishBatchRequest
from reno.v1.notification_pb2 import VIA_PUSH
from reno.wire.envelope import seal_envelope
from reno.wire.logged_row import LoggedRow

NOW_MS = 1_790_000_000_000
BATCH = 500


def measure(payload_bytes: int) -> dict[str, float]:
    """Of the shipped catalogue's types in equal parts, with UUIDs as ids; means over the types, bytes."""
    policies = policies_of(load(None))
    found = [_of(event_type, payload_bytes) for event_type in policies]
    return {"payload": payload_bytes} | {
        name: round(statistics.fmean(one[name] for one in found), 1) for name in found[0]
    }


def rows_of(event_type: str, payload_bytes: int, count: int) -> list[bytes]:
    """Serialised Rows of as many members."""
    return [logged.row for _, _, logged in _resolved(event_type, payload_bytes, count)]


def _resolved(
    event_type: str, payload_bytes: int, count: int
) -> list[tuple[Event, str, LoggedRow]]:
    policy = policies_of(load(None))[event_type]
    backend = Backend("", "playback")
    resolver = Resolver(policy, backend, NOW_MS, "")
    found = []
    for _ in range(count):
        member, event_id = str(uuid_utils.uuid4()), str(uuid_utils.uuid7())
        event = Event(
            id=event_id,
            type=event_type,
            member_id=member,
            payload=b"x" * payload_bytes,
            merge_key="profile-1",
        )
        row = resolver.row_of(
            event,
            event.SerializeToString(),
            member_key("", member),
            event_identity("", backend.source, member, event_id),
            is_special=False,
        )
        assert isinstance(row, LoggedRow)
        found.append((event, member, row))
    return found


def _of(event_type: str, payload_bytes: int) -> dict[str, float]:
    events, rows, deliveries, frames = PublishBatchRequest(), [], [], []
    values = keys = 0
    for index, (event, member, logged) in enumerate(_resolved(event_type, payload_bytes, BATCH)):
        events.events.append(event)
        rows.append(logged)
        row = logged.row
        position = position_of(0, 1_000_000_000, index)
        values += len(row_value(NOW_MS, row))
        keys += len(rows_prefix(member_key("", member), Priority.HIGH)) + 8
        deliveries.append(Delivery(position=position, previous=position - 4096, row=row))
        frames.append(
            render_notification(
                common_of(Row.FromString(row)),
                action="refresh_row",
                position=position,
                via=VIA_PUSH,
                merged=0,
            )
        )
    frame = render_answer(frames[:1], "x" * 60, None)
    journal = entry_value(
        JournalEntry(
            generation=0,
            sequence=1_000_000_000,
            log_time_ms=NOW_MS,
            envelope_id=b"x" * 16,
            verdicts=b"\1" * BATCH,
            identities=b"x" * 12 * BATCH,
            repeated_envelope=False,
        )
    )
    deliver = DeliverRequest(
        gateway_epoch=NOW_MS * 10**6, shard=1, shards=16, deliveries=deliveries
    )
    return {
        "published": events.ByteSize() / BATCH,
        "in_the_log": len(seal_envelope(b"x" * 16, rows)) / BATCH,
        "inbox_row_value": values / BATCH,
        "inbox_row_key": keys / BATCH,
        "journal": len(journal) / BATCH,
        "delivered": deliver.ByteSize() / BATCH,
        "pushed_frame_of_one": len(frame),
    }
