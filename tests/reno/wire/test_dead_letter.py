"""Once: what goes back to its lane keeps its identity, and gets the same envelope however often it is written."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.domain.member import member_key, shard_of
from reno.domain.priority import Priority
from reno.ports import Shard
from reno.wire.dead_letter import DeadLetter, dead_events, envelopes_again
from reno.wire.envelope import Unreadable, logged_rows, open_envelope
from reno.wire.logged_row import LoggedRow
from tests.processor.records import UNREADABLE_ROW, envelope, row

HIGH_3 = Shard(Priority.HIGH, 3, 4)
LETTER = DeadLetter(
    7,
    HIGH_3,
    40,
    1_000,
    "event 1: not a row",
    (1, 3),
    envelope(1, [row(event_id=f"e-{n}") for n in range(5)]),
)


@given(st.sets(st.integers(0, 4)), st.integers(1, 64))
def test_only_the_dead_rows_go_back_each_to_its_members_shard(dead: set[int], shards: int) -> None:
    members = ["anna", "ben", "cleo", "dan", "eva"]
    rows = [row(member, f"e-{n}") for n, member in enumerate(members)]
    letter = replace(LETTER, rows=tuple(sorted(dead)), payload=envelope(1, rows))
    again = envelopes_again(letter, shards)
    assert again == envelopes_again(letter, shards), "the same ids each time"
    found = {}
    for shard, (envelope_id, payload) in again.items():
        assert open_envelope(payload).id == envelope_id != open_envelope(letter.payload).id
        found[shard.number] = logged_rows(open_envelope(payload))
    expected: dict[int, list[LoggedRow]] = {}
    for index in sorted(dead) or range(5):
        home = shard_of(member_key("", members[index]), shards)
        expected.setdefault(home, []).append(rows[index])
    assert found == expected


def test_letters_have_envelopes_of_their_own() -> None:
    others = [
        replace(LETTER, rows=(1,)),
        replace(LETTER, sequence=41),
        replace(LETTER, timestamp_ms=2),
    ]
    ids = {next(iter(envelopes_again(each, 4).values()))[0] for each in (LETTER, *others)}
    assert len(ids) == 4


def test_what_is_still_unreadable_stays() -> None:
    half = replace(LETTER, rows=(0, 1), payload=envelope(1, [row(), UNREADABLE_ROW]))
    for letter in (half, replace(LETTER, payload=b"\x09rubbish"), replace(LETTER, rows=(9,))):
        with pytest.raises(Unreadable):
            envelopes_again(letter, 4)


def test_a_row_without_a_member_has_no_shard_to_go_back_to() -> None:
    nobodys = row("anna", "e-1")._replace(member_key=b"\0")
    letter = replace(LETTER, rows=(), payload=envelope(1, [nobodys]))
    with pytest.raises(Unreadable, match="event 0: a row without a member"):
        envelopes_again(letter, 4)
    (said,) = dead_events(letter)
    assert (said.member_id, said.trouble) == ("anna", "a row without a member")


def test_a_letter_is_opened_as_far_as_possible() -> None:
    letter = replace(LETTER, rows=(), payload=envelope(1, [row("anna"), UNREADABLE_ROW]))
    good, bad = dead_events(letter)
    assert (good.index, good.member_id) == (0, "anna")
    assert (bad.index, bad.member_id, bad.trouble) == (1, "", "not a row")
