"""How a copy counts, goes on and keeps to its rate."""

from hypothesis import given
from hypothesis import strategies as st

from reno.adapters.cassandra_copy import lacking
from reno.adapters.copy_progress import FAMILIES, Progress, pause_s


def test_a_copy_goes_on_behind_the_last_key() -> None:
    progress = Progress().past(b"\0k", 5, 2).next_family().past(b"z", 3, 3)
    assert Progress.parse(progress.text()) == progress
    assert (FAMILIES[progress.family], bytes.fromhex(progress.after)) == ("acknowledged", b"z")
    assert (progress.looked_at, progress.written) == ((5, 3, 0), (2, 3, 0))
    assert (progress.keys, progress.is_done) == (8, False)
    assert progress.next_family().next_family().is_done


@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.floats(0, 0.2, allow_nan=False)), min_size=1, max_size=50
    )
)
def test_bounded_no_more_than_the_rate_once_the_pause_is_over(
    chunks: list[tuple[int, float]],
) -> None:
    now_s, keys = 0.0, 0
    for count, takes_s in chunks:
        keys += count
        now_s += takes_s
        pause = pause_s(keys, now_s, 1000)
        now_s += pause
        assert keys <= 1000 * now_s + 1e-6
        assert pause == 0 or keys >= 1000 * now_s - 1e-6


@given(
    st.dictionaries(st.integers(0, 9), st.binary(max_size=1)),
    st.dictionaries(st.integers(0, 9), st.binary(max_size=1)),
)
def test_durable_writing_what_lacks_leaves_nothing_lacking(
    wanted: dict[int, bytes], found: dict[int, bytes]
) -> None:
    missing = lacking(wanted, found)
    assert lacking(wanted, {**found, **missing}) == {}
    assert all(found.get(key) != value for key, value in missing.items())
