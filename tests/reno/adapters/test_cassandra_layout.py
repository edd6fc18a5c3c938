"""How the inbox lies in Cassandra: what goes together, and how long it stays."""

from hypothesis import given
from hypothesis import strategies as st

from reno.adapters import cassandra_layout as layout
from reno.adapters import inbox_keys as keys
from reno.domain.position import mark_of
from tests.reno.adapters.inbox_worlds import envelope

MEMBERS = st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.tuples(MEMBERS, st.binary(max_size=4)), max_size=8)


@given(envelopes=st.lists(ROWS, max_size=5))
def test_ordered_a_members_batches_join_to_its_rows_in_order(
    envelopes: list[list[tuple[str, bytes]]],
) -> None:
    writes = [envelope(number, *rows) for number, rows in enumerate(envelopes, 1)]
    chains = layout.chains(writes)
    owners = [chain[0][0].member_key for chain in chains]
    assert len(owners) == len(set(owners))
    expected = {owner: [] for owner in owners}  # type: dict[bytes, list[int]]
    for write in writes:
        for row in write.rows:
            expected[row.member_key].append(row.position)
    for owner, chain in zip(owners, chains, strict=True):
        assert [row.position for batch in chain for row in batch] == expected[owner]
        assert all(len({row.position >> 12 for row in batch}) == 1 for batch in chain)


def test_a_large_envelope_of_one_member_is_split_in_order() -> None:
    (chain,) = layout.chains([envelope(1, *[("anna", b"x")] * (layout.MAX_BATCH_ROWS + 1))])
    assert [len(batch) for batch in chain] == [layout.MAX_BATCH_ROWS, 1]
    half = b"x" * (layout.MAX_BATCH_BYTES // 2)
    (chain,) = layout.chains([envelope(1, *[("anna", half)] * 3)])
    assert [len(batch) for batch in chain] == [2, 1]


@given(now_ms=st.integers(0, 10**13), left_ms=st.integers(-(10**13), 10**13))
def test_durable_a_row_is_kept_until_it_expires_and_never_for_ever(
    now_ms: int, left_ms: int
) -> None:
    seconds = layout.ttl_s(now_ms + left_ms, now_ms)
    assert 0 < seconds <= keys.KEEP_S + layout.SLACK_S
    assert seconds * 1000 >= min(left_ms, keys.KEEP_S * 1000)


@given(since_ms=st.integers(0, 10**13), later_ms=st.integers(0, 40 * 86_400_000))
def test_the_buckets_of_a_time_hold_it_and_are_bounded(since_ms: int, later_ms: int) -> None:
    found = layout.buckets(since_ms, since_ms + later_ms)
    assert len(found) <= keys.KEEP_S * 1000 // layout.BUCKET_MS + 1
    assert layout.bucket_of(since_ms + later_ms) in found
    if later_ms <= keys.KEEP_S * 1000:
        assert layout.bucket_of(since_ms) in found


def test_an_entry_is_found_again_by_its_mark() -> None:
    entry = envelope(7, ("anna", b"x"), generation=3).entry
    from reno.adapters.inbox_keys import entry_value  # noqa: PLC0415

    assert layout.entry_at(mark_of(3, 7), entry_value(entry)) == entry
