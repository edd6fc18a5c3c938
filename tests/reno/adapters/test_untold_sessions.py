"""However changes, requests and confirmations interleave, the replica ends up with what is held."""

from hypothesis import given
from hypothesis import strategies as st

from reno.adapters.untold_sessions import Told, UntoldSessions
from reno.ports import SessionPlace


def place(number: int) -> SessionPlace:
    return SessionPlace(number, "", f"member-{number}", "tv-1", "tv")


def take(untold: UntoldSessions, sequence: int, most: int = 10) -> Told:
    told = untold.take(sequence, most)
    assert told is not None
    return told


def test_begins_with_the_snapshot_in_parts() -> None:
    untold = UntoldSessions([place(n) for n in range(5)], again=False)
    parts = []
    for sequence in (2, 3, 4):
        parts.append(take(untold, sequence, 2))
        untold.confirm(sequence)
    assert [[p.number for p in part.began] for part in parts] == [[0, 1], [2, 3], [4]]
    assert [part.snapshot_complete for part in parts] == [False, False, True]
    assert untold.take(5, 2) is None


def test_what_begins_meanwhile_is_told_at_once_with_the_next_confirmation() -> None:
    untold = UntoldSessions([place(1)], again=False)
    take(untold, 2)
    untold.began(place(2))
    untold.began(place(3))
    assert untold.take(3, 10) is None
    untold.ended(1)
    assert take(untold, 3) == Told((), (1,), False)
    untold.confirm(3)
    assert [p.number for p in take(untold, 4).began] == [2, 3]


def test_an_empty_snapshot_is_said_to_be_complete_once() -> None:
    untold = UntoldSessions([], again=False)
    assert take(untold, 2) == Told((), (), True)
    assert untold.take(3, 10) is None
    assert untold.settled


def test_what_began_and_ended_between_two_requests_is_not_told() -> None:
    untold = UntoldSessions([], again=False)
    take(untold, 2)
    untold.began(place(1))
    untold.ended(1)
    assert untold.take(3, 10) is None


def test_truthful_what_was_told_and_told_again_is_told_to_have_ended() -> None:
    """The snapshot may hold a session whose own word comes after it: no ghost is left."""
    untold = UntoldSessions([place(1)], again=True)
    take(untold, 2)
    untold.began(place(1))
    untold.ended(1)
    assert take(untold, 3).ended == (1,)


def test_bounded_an_end_of_what_nobody_was_told_of_is_not_told() -> None:
    untold = UntoldSessions([], again=False)
    take(untold, 2)
    untold.ended(1)
    assert untold.take(3, 10) is None


def test_again_is_said_of_the_snapshot_of_a_later_attachment_alone() -> None:
    untold = UntoldSessions([place(1), place(2)], again=True)
    untold.began(place(3))
    take(untold, 2)
    assert not untold.settled
    confirmed = untold.confirm(2)
    assert (confirmed.fresh, confirmed.again) == ((3,), (1, 2))
    assert untold.settled
    assert untold.confirm(2).fresh == ()


@given(
    snapshot=st.integers(0, 4),
    steps=st.lists(
        st.one_of(st.just("begin"), st.just("take"), st.just("confirm"), st.integers(0, 9)),
        max_size=40,
    ),
    most=st.integers(1, 3),
    again=st.booleans(),
)
def test_the_replica_ends_up_with_what_is_held(
    snapshot: int, steps: list[str | int], most: int, again: bool
) -> None:
    held = {n: place(n) for n in range(snapshot)}
    untold = UntoldSessions(held.values(), again=again)
    known: set[int] = set()
    confirmed: list[int] = []
    number, sequence, told = snapshot, 1, True

    def request() -> bool:
        nonlocal sequence
        sequence += 1
        content = untold.take(sequence, most)
        if content is None:
            return False
        assert len(content.began) <= most
        assert len(content.ended) <= most
        known.update(p.number for p in content.began)
        assert known.issuperset(content.ended)
        known.difference_update(content.ended)
        return True

    for step in steps:
        if step == "begin":
            held[number] = place(number)
            untold.began(held[number])
            number += 1
        elif step == "take":
            request()
        elif step == "confirm":
            newly = untold.confirm(sequence)
            confirmed += [*newly.fresh, *newly.again]
        elif isinstance(step, int) and held:
            ended = sorted(held)[step % len(held)]
            del held[ended]
            untold.ended(ended)
    while told:
        newly = untold.confirm(sequence)
        confirmed += [*newly.fresh, *newly.again]
        told = request()
    assert known == set(held)
    assert untold.settled
    assert set(held) <= set(confirmed)
    assert len(confirmed) == len(set(confirmed))
