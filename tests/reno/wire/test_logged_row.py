"""Rows as the log carries them: what the door joined is what protobuf would have written, and nothing unreadable gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event
from reno.wire.envelope import Unreadable
from reno.wire.logged_row import LoggedRow, are_rows, log_row, open_logged

KEY = b"\0anna"
_times = st.integers(-(1 << 63), (1 << 63) - 1)
_unsigned = st.integers(0, (1 << 64) - 1)


@given(
    st.binary(min_size=12, max_size=12),
    st.text("tenat ", max_size=3),
    st.integers(1, 400),
    _unsigned,
    _times,
    st.integers(0, (1 << 63) - 1),
    st.booleans(),
    st.sampled_from(("", f"00-{'1' * 32}-{'2' * 16}-01")),
    st.binary(max_size=3000),
)
def test_a_row_survives_a_round_trip(
    identity: bytes,
    tenant: str,
    length: int,
    window_ms: int,
    push_until_ms: int,
    expires_at_ms: int,
    store_only: bool,
    traceparent: str,
    payload: bytes,
) -> None:
    key = f"{tenant}\0{'m' * length}".encode()
    event = Event(id="e-1", payload=payload)
    resolved = Row(tenant=tenant, store_only=store_only, merges=True)
    logged = log_row(
        identity,
        key,
        window_ms,
        push_until_ms,
        expires_at_ms,
        store_only,
        traceparent.encode(),
        resolved.SerializeToString(),
        event.SerializeToString(),
    )
    row = open_logged(logged)
    assert row[:-1] == (identity, window_ms, expires_at_ms, store_only, key, traceparent)
    expected = Row(
        push_until_ms=push_until_ms,
        expires_at_ms=expires_at_ms,
        event=event,
        tenant=tenant,
        store_only=store_only,
        merges=True,
    )
    assert Row.FromString(row.row) == expected
    assert are_rows([row.row, expected.SerializeToString()])


def a_row(key: bytes = KEY, traceparent: bytes = b"") -> bytes:
    return log_row(b"i" * 12, key, 0, 1, 2, False, traceparent, b"", b"")


@given(st.integers(0, 42))
def test_a_row_that_was_cut_is_unreadable_or_no_row(end: int) -> None:
    cut = a_row()[:end]
    try:
        row = open_logged(cut)
    except Unreadable:
        return
    assert row.row == b"" or not are_rows([row.row]) or row.row in a_row()


@given(st.binary(max_size=80))
def test_garbage_is_unreadable_or_has_a_member(garbage: bytes) -> None:
    try:
        row = open_logged(garbage)
    except Unreadable:
        return
    tenant, _, member_id = row.member_key.partition(b"\0")
    assert member_id
    assert isinstance(row, LoggedRow)
    assert len(row.identity) == 12
    assert tenant == row.member_key[: len(tenant)]


@pytest.mark.parametrize("key", [b"", b"anna", b"\0", b"t\0"])
def test_a_row_without_a_member_is_unreadable(key: bytes) -> None:
    with pytest.raises(Unreadable, match="without a member"):
        open_logged(a_row(key))


def test_a_trace_context_that_is_no_text_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="no text"):
        open_logged(a_row(traceparent=b"\xff"))


def test_one_that_is_no_row_is_noticed_among_many() -> None:
    good = Row(event=Event(id="e-1")).SerializeToString()
    assert are_rows([])
    assert are_rows([good] * 3)
    for bad in (b"\xff\xff\xff", Row(tenant="t").SerializeToString()[:-1], b"\x1a\x03\x0a\x01\xff"):
        assert not are_rows([good, bad, good])
