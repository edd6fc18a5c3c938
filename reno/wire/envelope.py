"""Envelopes as the log carries them, rows as the inbox keeps them: each behind a version byte."""

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from reno.domain.member import IDENTITY_BYTES, name_members, names_member
from reno.domain.position import MAX_EVENTS_PER_ENVELOPE
from reno.v1.envelope_pb2 import Envelope, EnvelopeRows, Row
from reno.v1.journal_pb2 import JournalEntry as JournalEntryProto
from reno.wire.bundle import Bundle, bundle_of, seal
from reno.wire.logged_row import LoggedRow, logged_row

ENVELOPE_VERSION = b"\x02"
ROW_VERSION = b"\x02"
JOURNAL_VERSION = b"\x01"
ENVELOPE_ID_BYTES = 16


class Unreadable(Exception):
    """The bytes are not what this version writes or understands."""


def seal_envelope(envelope_id: bytes, logged: Sequence[LoggedRow]) -> bytes:
    """The payload of one log message."""
    return seal_bundles(envelope_id, [bundle_of(logged)] if logged else [])


def seal_bundles(envelope_id: bytes, bundles: Sequence[Bundle]) -> bytes:
    """seal_envelope, of rows that are serialised already."""
    return ENVELOPE_VERSION + seal(envelope_id, bundles)


def open_envelope(payload: bytes) -> Envelope:
    """Does not look into the rows. Raises Unreadable for an unknown version, broken bytes, an id of the wrong length, columns that do not fit the rows, or more rows than positions can tell apart."""
    if payload[:1] != ENVELOPE_VERSION:
        raise Unreadable(f"envelope of version {payload[:1].hex() or 'none'}")
    try:
        envelope = Envelope.FromString(payload[1:])
    except DecodeError as error:
        raise Unreadable("not an envelope") from error
    if len(envelope.id) != ENVELOPE_ID_BYTES:
        raise Unreadable("an envelope without an id")
    count = len(envelope.rows)
    if count > MAX_EVENTS_PER_ENVELOPE:
        raise Unreadable(f"an envelope of {count} events")
    lengths = {
        len(envelope.member_keys),
        len(envelope.identities) / IDENTITY_BYTES,
        len(envelope.window_ms),
        len(envelope.expires_at_ms),
    }
    if lengths != {count} or max((*envelope.quiet, *envelope.traceparents), default=-1) >= count:
        raise Unreadable(f"an envelope of {count} events with columns of other lengths")
    if min(envelope.expires_at_ms, default=0) < 0:
        raise Unreadable("an envelope with an event that expired before 1970")
    return envelope


def logged_rows(envelope: Envelope) -> list[LoggedRow]:
    """One by one, as they were sealed."""
    quiet, traceparents = set(envelope.quiet), dict(envelope.traceparents)
    return [
        logged_row(row, key, identity, window_ms, expires_at_ms, index in quiet, traceparent)
        for index, (row, key, identity, window_ms, expires_at_ms, traceparent) in enumerate(
            zip(
                envelope.rows,
                envelope.member_keys,
                identities_of(envelope),
                envelope.window_ms,
                envelope.expires_at_ms,
                [traceparents.get(index, "") for index in range(len(envelope.rows))],
                strict=True,
            )
        )
    ]


def identities_of(envelope: Envelope) -> list[bytes]:
    """One a row."""
    joined = envelope.identities
    return [
        joined[start : start + IDENTITY_BYTES] for start in range(0, len(joined), IDENTITY_BYTES)
    ]


def unreadable_rows(payload: bytes, envelope: Envelope) -> dict[int, str]:
    """Why, by the row's index; nearly always none, which one parse of all rows says without an object a row. `payload` is the envelope's."""
    keys = envelope.member_keys
    try:
        EnvelopeRows.FromString(payload[1:])
    except DecodeError:
        are_rows = False
    else:
        are_rows = True
    if are_rows and name_members(keys):
        return {}
    return {
        index: why
        for index, (row, key) in enumerate(zip(envelope.rows, keys, strict=True))
        if (why := row_trouble(row, key))
    }


def row_trouble(row: bytes, member_key: bytes) -> str:
    """Why a row of the log cannot be processed; empty: it can."""
    if not names_member(member_key):
        return "a row without a member"
    try:
        open_row(row)
    except Unreadable as error:
        return str(error)
    return ""


def open_row(row: bytes) -> Row:
    """Raises Unreadable."""
    try:
        return Row.FromString(row)
    except DecodeError as error:
        raise Unreadable("not a row") from error


def open_journal_entry(value: bytes) -> JournalEntryProto:
    """Raises Unreadable."""
    if value[:1] != JOURNAL_VERSION:
        raise Unreadable(f"journal entry of version {value[:1].hex() or 'none'}")
    try:
        return JournalEntryProto.FromString(value[1:])
    except DecodeError as error:
        raise Unreadable("not a journal entry") from error
