"""Promise: Durable. Every shard has somebody: who lives is counted, who is silent is not, and who hears nothing changes nothing."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.attendance import Attendance
from reno.ports import Beat, Word

ME, LEASE_S, SETTLE_S = "me", 3.0, 1.5
NAMES = (ME, "a", "b")


def attendance(beats: Sequence[tuple[str, float]], word: Word = Word.HERE) -> Attendance:
    heard = Attendance(ME, LEASE_S, SETTLE_S)
    for name, at_s in beats:
        heard.heard(Beat(name, word), at_s)
    return heard


def here(*names: str) -> Attendance:
    """I am, since 0 s, and the others too."""
    return attendance([(name, at_s) for at_s in (0.0, 1.0, 2.0) for name in (ME, *names)])


def test_who_comes_listens_and_then_says_that_it_is_here() -> None:
    heard = attendance([(ME, 10.0), ("a", 10.1), (ME, 11.0)], Word.COMING)
    heard.heard(Beat("b", Word.HERE), 11.1)
    assert (heard.word(11.4), heard.living(11.4)) == (Word.COMING, None)
    assert (heard.word(11.5), heard.living(11.5)) == (Word.HERE, None), "the others know it later"
    heard.heard(Beat(ME, Word.HERE), 11.5)
    assert heard.living(11.5) == {ME, "b"}
    heard.heard(Beat("a", Word.HERE), 11.6)
    assert heard.living(11.6) == {ME, "a", "b"}


def test_who_is_silent_for_a_lease_is_gone() -> None:
    heard = here("a")
    heard.heard(Beat(ME, Word.HERE), 4.9)
    assert heard.living(6.0) == {ME, "a"}, "nothing came lately, from nobody"
    heard.heard(Beat(ME, Word.HERE), 6.0)
    assert heard.living(6.0) == {ME}


def test_who_says_goodbye_is_gone_at_once() -> None:
    heard = here("a")
    heard.heard(Beat("a", Word.GONE), 2.0)
    assert heard.living(2.0) == {ME}


def test_who_does_not_hear_himself_knows_nothing_and_blames_nobody() -> None:
    """The log was away, or this process was frozen: the others' silence says nothing about them."""
    heard = here("a", "b", "c")
    assert (heard.word(5.0), heard.living(5.0)) == (Word.COMING, None)
    heard.heard(Beat("a", Word.COMING), 59.9)
    heard.heard(Beat(ME, Word.COMING), 60.0)
    heard.heard(Beat("b", Word.COMING), 60.1)
    heard.heard(Beat(ME, Word.HERE), 61.5)
    assert heard.living(61.5) == {ME, "a", "b", "c"}, "nobody moves when all come back at once"
    heard.heard(Beat(ME, Word.HERE), 63.0)
    assert heard.living(63.0) == {ME, "b"}


def test_who_was_gone_and_comes_again_counts_when_it_says_so() -> None:
    heard = here("a")
    heard.heard(Beat(ME, Word.HERE), 4.0)
    heard.heard(Beat(ME, Word.HERE), 5.5)
    heard.heard(Beat("a", Word.COMING), 6.0)
    assert heard.living(6.0) == {ME}
    heard.heard(Beat("a", Word.HERE), 6.5)
    assert heard.living(6.5) == {ME, "a"}


STEPS = st.lists(
    st.tuples(st.floats(0, 2), st.sampled_from((ME, *NAMES)), st.sampled_from(Word)), max_size=40
)


@given(steps=STEPS)
@settings(max_examples=100)
def test_who_counts_said_so_and_was_heard_lately(steps: list[tuple[float, str, Word]]) -> None:
    heard = Attendance(ME, LEASE_S, SETTLE_S)
    said: dict[str, list[tuple[float, Word]]] = {name: [] for name in NAMES}
    now_s = 0.0
    for pause_s, name, word in steps:
        now_s += pause_s
        beat = Beat(name, heard.word(now_s) if name == ME else word)
        said[name] = [] if beat.word is Word.GONE else [*said[name], (now_s, beat.word)]
        heard.heard(beat, now_s)
        living = heard.living(now_s)
        if living is None:
            assert heard.word(now_s) is Word.COMING or said[ME][-1][1] is Word.COMING
            continue
        assert ME in living
        for each, beats in said.items():
            if each in living:
                assert Word.HERE in [word for _, word in beats]
            elif beats and now_s - beats[-1][0] < LEASE_S:
                assert beats[-1][1] is Word.COMING
