"""Stored bytes: each behind a version byte, and nothing unreadable gets through as something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.v1.envelope_pb2 import Row
from reno.v1.journal_pb2 import JournalEntry
from reno.wire.envelope import (
    ENVELOPE_ID_BYTES,
    ENVELOPE_VERSION,
    JOURNAL_VERSION,
    Unreadable,
    open_envelope,
    open_journal_entry,
    open_row,
    seal_envelope,
)

ENVELOPE_IDS = st.binary(min_size=ENVELOPE_ID_BYTES, max_size=ENVELOPE_ID_BYTES)
BROKEN = b"\xff\xff\xff"


@given(ENVELOPE_IDS, st.lists(st.binary(max_size=64), max_size=16))
def test_an_envelope_survives_a_round_trip(envelope_id: bytes, rows: list[bytes]) -> None:
    payload = seal_envelope(envelope_id, rows)
    assert payload.startswith(ENVELOPE_VERSION)
    envelope = open_envelope(payload)
    assert envelope.id == envelope_id
    assert list(envelope.rows) == rows


@given(ENVELOPE_IDS, st.lists(st.binary(max_size=64), max_size=4))
def test_the_same_envelope_has_the_same_bytes(envelope_id: bytes, rows: list[bytes]) -> None:
    assert seal_envelope(envelope_id, rows) == seal_envelope(envelope_id, rows)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01" + seal_envelope(bytes(16), [])[1:],
        ENVELOPE_VERSION + BROKEN,
        ENVELOPE_VERSION,
        seal_envelope(b"short", []),
    ],
)
def test_what_is_no_envelope_is_unreadable(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        open_envelope(payload)


def test_rows_are_read_or_unreadable() -> None:
    assert open_row(Row(tenant="t").SerializeToString()).tenant == "t"
    with pytest.raises(Unreadable):
        open_row(BROKEN)


def test_journal_entries_are_read_or_unreadable() -> None:
    entry = JournalEntry(envelope_id=bytes(16), log_time_ms=5)
    assert open_journal_entry(JOURNAL_VERSION + entry.SerializeToString()) == entry
    for value in (b"", b"\x02" + entry.SerializeToString(), JOURNAL_VERSION + BROKEN):
        with pytest.raises(Unreadable):
            open_journal_entry(value)
