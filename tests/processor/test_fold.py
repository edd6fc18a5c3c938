"""Promises: Once, Ordered. The fold is a function of the log alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.fold import Deliverables, Fold, LogChanged, deliverables_again, remembered_since_ms
from reno.adapters.memory_inbox import MemoryInbox
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.domain.outcome import Outcome
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import EnvelopeWrite, LogRecord, Page, Shard, Slice
from reno.wire.logged_row import LoggedRow
from tests.processor.records import UNREADABLE_ROW, envelope, envelope_id, logs, row

TRACED = f"00-{'1' * 32}-{'2' * 16}-01"
SHARD = Shard(Priority.HIGH, 0, 1)
MINUTE_MS = 60_000


def writes_of(fold: Fold, records: list[LogRecord]) -> list[EnvelopeWrite]:
    return [fold.fold(record).write for record in records]


def restored(writes: list[EnvelopeWrite]) -> Fold:
    fold = Fold(3)
    if writes:
        since_ms = remembered_since_ms(writes[-1].entry)
        for write in writes:
            if write.entry.log_time_ms >= since_ms:
                fold.restore(write.entry)
    for _ in fold.take_up():
        pass
    return fold


@settings(max_examples=200)
@given(logs(), st.data())
def test_a_fold_restored_anywhere_writes_the_same(
    records: list[LogRecord], data: st.DataObject
) -> None:
    writes = writes_of(Fold(3), records)
    at = data.draw(st.integers(0, len(records)))
    assert writes_of(restored(writes[:at]), records[at:]) == writes[at:]


@settings(max_examples=100)
@given(logs())
def test_once_no_event_is_stored_twice_inside_its_window(records: list[LogRecord]) -> None:
    fold = Fold(0)
    stored: dict[bytes, int] = {}
    for record in records:
        entry = fold.fold(record).write.entry
        for index, verdict in enumerate(entry.verdicts):
            identity = entry.identities[index * 12 : index * 12 + 12]
            if verdict == Outcome.STORED:
                stored[identity] = entry.log_time_ms
            elif verdict == Outcome.DUPLICATE:
                assert entry.log_time_ms - stored[identity] < LONGEST_WINDOW_MS


@settings(max_examples=100)
@given(logs())
def test_what_is_delivered_again_is_what_was_stored(records: list[LogRecord]) -> None:
    fold = Fold(0)
    for record in records:
        folded = fold.fold(record)
        assert deliverables_again(record, folded.write.entry) == folded.deliverables
        assert folded.deliverables.rows == list(folded.write.rows)


@settings(max_examples=60)
@given(logs(max_records=12), st.data())
async def test_two_owners_of_a_shard_leave_what_one_would(
    records: list[LogRecord], data: st.DataObject
) -> None:
    alone, shared = MemoryInbox(1), MemoryInbox(1)
    for write in writes_of(Fold(0), records):
        await alone.append(SHARD, [write])

    folds = [Fold(0), Fold(0)]
    at = [0, 0]
    while min(at) < len(records):
        turn = data.draw(st.integers(0, 1))
        batch = records[at[turn] : at[turn] + data.draw(st.integers(1, 4))]
        await shared.append(SHARD, writes_of(folds[turn], batch))
        at[turn] = min(at[turn] + len(batch), len(records))

    assert await _content(shared) == await _content(alone)
    assert [entry async for entry in shared.journal(SHARD, 0)] == [
        entry async for entry in alone.journal(SHARD, 0)
    ]


async def _content(inbox: MemoryInbox) -> list[Page]:
    slices = [Slice("", member, "", 0, 1000, 1 << 20) for member in ("anna", "ben", "cleo")]
    return await inbox.read(Priority.HIGH, slices, 0)


def test_the_row_is_the_logs_bytes_at_its_index() -> None:
    rows = [
        row("anna", "e-1", traceparent=TRACED),
        UNREADABLE_ROW,
        row("ben", "e-2", store_only=True),
    ]
    folded = Fold(1).fold(LogRecord(7, 1000, envelope(1, rows)))
    assert folded.write.entry.verdicts == bytes((Outcome.STORED, Outcome.DEAD, Outcome.STORED))
    assert [(each.position, each.row) for each in folded.write.rows] == [
        (position_of(1, 7, 0), rows[0].row),
        (position_of(1, 7, 2), rows[2].row),
    ]
    assert folded.deliverables.rows[1].member_key == b"\0ben"
    assert folded.deliverables.quiet == {position_of(1, 7, 2)}
    assert folded.deliverables.traceparents == {position_of(1, 7, 0): TRACED}
    assert folded.unreadable is not None
    assert folded.unreadable.startswith("event 1")


def test_a_row_without_a_member_is_dead_and_its_neighbours_are_not() -> None:
    nobodys = row("anna", "e-1")._replace(member_key=b"\0")
    folded = Fold(0).fold(LogRecord(1, 1000, envelope(1, [nobodys, row("ben", "e-2")])))
    assert folded.write.entry.verdicts == bytes((Outcome.DEAD, Outcome.STORED))
    assert folded.unreadable == "event 0: a row without a member"
    assert [each.member_key for each in folded.write.rows] == [b"\0ben"]


def test_a_repeated_envelope_counts_for_nothing() -> None:
    fold = Fold(0)
    payload = envelope(1, [row(window_ms=0)])
    fold.fold(LogRecord(1, 1000, payload))
    again = fold.fold(LogRecord(2, 2000, payload))
    assert again.write.entry.repeated_envelope
    assert again.write.entry.envelope_id == envelope_id(1)
    assert again.write.entry.verdicts == b""
    assert not again.write.rows
    assert again.deliverables == Deliverables()


@pytest.mark.parametrize(
    "payload", [b"", b"\x03", b"\x02\xff", envelope(1, [row()] * 4096)], ids=len
)
def test_an_unreadable_envelope_is_journalled_without_verdicts(payload: bytes) -> None:
    folded = Fold(0).fold(LogRecord(5, 1000, payload))
    assert folded.unreadable
    assert folded.write.entry.envelope_id == b""
    assert folded.write.entry.verdicts == b""
    assert folded.write.entry.log_time_ms == 1000


def test_the_window_is_counted_in_log_time_from_the_first() -> None:
    fold = Fold(0)

    def verdict(sequence: int, at_ms: int) -> int:
        record = LogRecord(sequence, at_ms, envelope(sequence, [row(window_ms=10 * MINUTE_MS)]))
        return fold.fold(record).write.entry.verdicts[0]

    assert verdict(1, MINUTE_MS) == Outcome.STORED
    assert verdict(2, 8 * MINUTE_MS) == Outcome.DUPLICATE
    # Log time does not step back with the server's clock.
    assert verdict(3, 2 * MINUTE_MS) == Outcome.DUPLICATE
    assert fold.log_time_ms == 8 * MINUTE_MS
    assert verdict(4, 11 * MINUTE_MS - 1) == Outcome.DUPLICATE
    assert verdict(5, 11 * MINUTE_MS) == Outcome.STORED
    assert verdict(6, 12 * MINUTE_MS) == Outcome.DUPLICATE


def test_a_log_with_something_else_in_it_is_noticed() -> None:
    entry = Fold(0).fold(LogRecord(1, 1000, envelope(1, [row()]))).write.entry
    with pytest.raises(LogChanged):
        deliverables_again(LogRecord(1, 1000, envelope(2, [row()])), entry)
    with pytest.raises(LogChanged):
        deliverables_again(LogRecord(1, 1000, b"rubbish"), entry)


@pytest.mark.parametrize("first", [row(), UNREADABLE_ROW], ids=["duplicate", "dead"])
def test_durable_it_is_noticed_also_where_nothing_was_stored(first: LoggedRow) -> None:
    """An envelope that nobody folded must not pass for one of duplicates or dead letters."""
    fold = Fold(0)
    fold.fold(LogRecord(1, 1000, envelope(1, [row()])))
    duplicate = LogRecord(2, 1000, envelope(2, [first]))
    repeated = LogRecord(3, 1000, duplicate.payload)
    unreadable = LogRecord(4, 1000, b"rubbish")
    for record in (duplicate, repeated, unreadable):
        entry = fold.fold(record).write.entry
        assert deliverables_again(record, entry) == Deliverables()
        with pytest.raises(LogChanged):
            deliverables_again(LogRecord(record.sequence, 1000, envelope(9, [row()])), entry)


@settings(max_examples=100)
@given(logs(), st.integers(1, 5))
def test_what_is_foreseen_comes_to_the_same(records: list[LogRecord], at_once: int) -> None:
    fold = Fold(3)
    writes: list[EnvelopeWrite] = []
    for start in range(0, len(records), at_once):
        some = records[start : start + at_once]
        fold.foresee(some)
        writes += writes_of(fold, some)
    assert writes == writes_of(Fold(3), records)
