"""The simulation measures what it says it does; its figures are the machine's and are not asserted."""

import pytest

from bench import deliver_cost, presence_scale, shard_balance, sizes
from bench.figures import value
from presence.lease_table import LeaseTable, PresenceState
from reno.domain.member import member_key


def test_a_snapshot_is_learned_whole() -> None:
    members = [f"m{number}" for number in range(700)]
    table = LeaseTable(lease_ms=presence_scale.LEASE_MS, max_sessions=10_000, now_ms=-5_000)
    serialised = presence_scale.requests(members, devices_each=2, first_number=0)
    assert len(serialised) == 2
    presence_scale.learn(table, table.hello(presence_scale.address(1), 0), serialised)
    assert table.sessions == 1400
    found = table.lookup([member_key("", member) for member in members], 0)
    assert all(state is PresenceState.ONLINE and len(held) == 2 for state, held in found)


def test_presence_is_measured_at_the_size_that_is_asked_for() -> None:
    found = presence_scale.measure(sessions=4_000, gateways=20)
    assert (found["sessions"], found["gateways"]) == (4_000, 20)
    assert found["snapshot_bytes_per_session"] == pytest.approx(value("snapshot_bytes"), rel=0.1)


def test_the_slope_of_a_line_is_its_own() -> None:
    assert presence_scale.slope([(x, 400 * x + 17) for x in (1, 5, 9, 40)]) == pytest.approx(400)


def test_shards_are_as_even_as_chance() -> None:
    for found in shard_balance.measure(20_000, (4, 16)):
        assert 1 <= found["members_max_over_mean"] < 1 + 3 * (found["members_by_chance"] - 1)


def test_bytes_are_those_that_the_page_counts_with() -> None:
    found = sizes.measure(100)
    assert found["in_the_log"] == pytest.approx(value("log_bytes"), rel=0.02)
    stored = found["inbox_row_key"] + found["inbox_row_value"]
    assert stored == pytest.approx(value("row_bytes"), rel=0.02)
    assert found["pushed_frame_of_one"] == pytest.approx(value("pushed_bytes"), rel=0.02)


async def test_delivers_are_made() -> None:
    assert [one["rows"] for one in await deliver_cost.measure(40)] == [1, 10, 100, 1000]
