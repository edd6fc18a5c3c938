from hypothesis import given
from hypothesis import strategies as st

from reno.wire.bundle import bundle_of
from reno.wire.envelope import logged_rows, open_envelope, seal_bundles, seal_envelope
from reno.wire.logged_row import LoggedRow
from tests.reno.wire.test_envelope import LOGGED_ROWS


@given(st.lists(st.lists(LOGGED_ROWS, min_size=1, max_size=5), max_size=5))
def test_bundles_are_one_envelope_of_all_their_rows(parts: list[list[LoggedRow]]) -> None:
    rows = [row for part in parts for row in part]
    bundles = [bundle_of(part) for part in parts]
    sealed = seal_bundles(bytes(16), bundles)
    assert logged_rows(open_envelope(sealed)) == rows
    assert len(seal_envelope(bytes(16), rows)) <= len(sealed)
    assert sum(bundle.events for bundle in bundles) == len(rows)
    empty = len(seal_envelope(bytes(16), []))
    assert len(sealed) <= empty + sum(bundle.size_bytes for bundle in bundles) + 8
