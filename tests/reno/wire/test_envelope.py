"""Stored bytes: each behind a version byte, and nothing unreadable gets through as something else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.v1.envelope_pb2 import Envelope, Row
from reno.v1.journal_pb2 import JournalEntry
from reno.wire.envelope import (
    ENVELOPE_ID_BYTES,
    ENVELOPE_VERSION,
    JOURNAL_VERSION,
    Unreadable,
    identities_of,
    logged_rows,
    open_envelope,
    open_journal_entry,
    open_row,
    seal_envelope,
    unreadable_rows,
)
from reno.wire.logged_row import LoggedRow, logged_row

ENVELOPE_IDS = st.binary(min_size=ENVELOPE_ID_BYTES, max_size=ENVELOPE_ID_BYTES)
BROKEN = b"\xff\xff\xff"


LOGGED_ROWS = st.builds(
    logged_row,
    st.binary(max_size=64),
    st.binary(max_size=20),
    st.binary(min_size=12, max_size=12),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 63) - 1),
    st.booleans(),
    st.sampled_from(("", "traced")),
)


@given(ENVELOPE_IDS, st.lists(LOGGED_ROWS, max_size=16))
def test_an_envelope_survives_a_round_trip(envelope_id: bytes, rows: list[LoggedRow]) -> None:
    payload = seal_envelope(envelope_id, rows)
    assert payload.startswith(ENVELOPE_VERSION)
    envelope = open_envelope(payload)
    assert envelope.id == envelope_id
    assert logged_rows(envelope) == rows
    assert identities_of(envelope) == [row.identity for row in rows]


@given(ENVELOPE_IDS, st.lists(LOGGED_ROWS, max_size=4))
def test_the_same_envelope_has_the_same_bytes(envelope_id: bytes, rows: list[LoggedRow]) -> None:
    assert seal_envelope(envelope_id, rows) == seal_envelope(envelope_id, rows)


@given(st.lists(st.sampled_from((b"", b"\xff\xff\xff", b"\x1a\x03\x0a\x01\xff", b"\x2a\x01s"))))
def test_rows_that_are_none_are_told_by_index(rows: list[bytes]) -> None:
    payload = seal_envelope(bytes(16), [a_row(row) for row in rows])
    wrong = {index for index, row in enumerate(rows) if row not in {b"", b"\x2a\x01s"}}
    assert set(unreadable_rows(payload, open_envelope(payload))) == wrong


@given(st.lists(st.sampled_from((b"\0anna", b"t\0anna", b"", b"anna", b"\0", b"t\0"))))
def test_rows_without_a_member_are_told_by_index(keys: list[bytes]) -> None:
    payload = seal_envelope(bytes(16), [a_row(key=key) for key in keys])
    wrong = {index for index, key in enumerate(keys) if not key.partition(b"\0")[2]}
    found = unreadable_rows(payload, open_envelope(payload))
    assert found == dict.fromkeys(sorted(wrong), "a row without a member")


def a_row(row: bytes = b"", key: bytes = b"\0anna") -> LoggedRow:
    return logged_row(row, key, bytes(12), 0, 1, False, "")


def changed(**fields: Any) -> bytes:
    """An envelope of two rows with other columns than they have."""
    envelope = open_envelope(seal_envelope(bytes(16), [a_row(), a_row()]))
    for name, value in fields.items():
        envelope.ClearField(name)  # type: ignore[arg-type]
        envelope.MergeFrom(Envelope(**{name: value}))
    return ENVELOPE_VERSION + envelope.SerializeToString()


@pytest.mark.parametrize(
    "fields",
    [
        {"member_keys": [b"\0anna"]},
        {"identities": bytes(25)},
        {"identities": bytes(36)},
        {"window_ms": []},
        {"expires_at_ms": [1, 2, 3]},
        {"expires_at_ms": [1, -2]},
        {"quiet": [2]},
        {"traceparents": {7: "t"}},
        {"rows": [b""] * 4096},
    ],
    ids=str,
)
def test_columns_that_do_not_fit_the_rows_are_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        open_envelope(changed(**fields))


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
