"""Log records as a door would write them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from reno.domain.member import event_identity, member_key
from reno.ports import LogRecord
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event
from reno.wire.envelope import seal_envelope
from reno.wire.logged_row import LoggedRow, log_row, logged_row

UNREADABLE_ROW = logged_row(b"\xff\xff\xff", b"\0anna", bytes(12), 0, 1 << 50, False, "")


def row(
    member: str = "anna",
    event_id: str = "e-1",
    *,
    window_ms: int = 600_000,
    store_only: bool = False,
    traceparent: str = "",
    payload: bytes = b"",
) -> LoggedRow:
    return log_row(
        member_key("", member),
        event_identity("", "tests", member, event_id),
        window_ms,
        1 << 50,
        1 << 50,
        store_only,
        traceparent,
        Row(source="lists", store_only=store_only, traceparent=traceparent).SerializeToString(),
        Event(
            id=event_id, type="list.changed", member_id=member, payload=payload
        ).SerializeToString(),
    )


def event_id_of(row: bytes) -> str:
    """Of a stored one."""
    return Row.FromString(row).event.id


def envelope_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def envelope(number: int, rows: Sequence[LoggedRow]) -> bytes:
    return seal_envelope(envelope_id(number), rows)


_rows = st.one_of(
    st.just(UNREADABLE_ROW),
    st.builds(
        row,
        member=st.sampled_from(("anna", "ben", "cleo")),
        event_id=st.sampled_from([f"e-{number}" for number in range(6)]),
        window_ms=st.sampled_from((0, 1000, 600_000, 3_600_000, 1 << 40)),
        store_only=st.booleans(),
    ),
)
_payloads = st.one_of(
    st.sampled_from((b"", b"\x03future", b"\x02\xff\xff", seal_envelope(b"short", []))),
    st.builds(envelope, st.integers(0, 8), st.lists(_rows, max_size=5)),
)


@st.composite
def logs(draw: st.DrawFn, max_records: int = 30) -> list[LogRecord]:
    """A shard's log: gaps between sequences (other shards), a clock that steps back, repeats, rubbish."""
    records = []
    sequence, now_ms = 0, 1_000_000_000
    for payload in draw(st.lists(_payloads, max_size=max_records)):
        sequence += draw(st.integers(1, 3))
        now_ms += draw(st.sampled_from((-500, 0, 1, 999, 60_000, 600_000, 3_599_999, 3_600_000)))
        records.append(LogRecord(sequence, now_ms, payload))
    return records
