"""Envelopes as the log carries them, rows as the inbox keeps them: each behind a version byte."""

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from reno.v1.envelope_pb2 import Envelope, Row
from reno.v1.journal_pb2 import JournalEntry as JournalEntryProto

ENVELOPE_VERSION = b"\x02"
ROW_VERSION = b"\x02"
JOURNAL_VERSION = b"\x01"
ENVELOPE_ID_BYTES = 16


class Unreadable(Exception):
    """The bytes are not what this version writes or understands."""


def seal_envelope(envelope_id: bytes, rows: Sequence[bytes]) -> bytes:
    """The payload of one log message."""
    return ENVELOPE_VERSION + Envelope(id=envelope_id, rows=rows).SerializeToString()


def open_envelope(payload: bytes) -> Envelope:
    """Raises Unreadable for an unknown version, broken bytes or an id of the wrong length."""
    if payload[:1] != ENVELOPE_VERSION:
        raise Unreadable(f"envelope of version {payload[:1].hex() or 'none'}")
    try:
        envelope = Envelope.FromString(payload[1:])
    except DecodeError as error:
        raise Unreadable("not an envelope") from error
    if len(envelope.id) != ENVELOPE_ID_BYTES:
        raise Unreadable("an envelope without an id")
    return envelope


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
