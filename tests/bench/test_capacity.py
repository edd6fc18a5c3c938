"""docs/capacity.md says what bench.capacity computes, from figures that are the settings'."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import sizing
from bench.capacity import TABLE, tables, written
from bench.figures import FIGURES, Known, value
from gateway.devices.stream import CHECKPOINT_MARGIN
from processor.couriers import MAX_COURIERS
from reno.catalogue.catalogue import load
from reno.config.settings import Settings
from reno.domain.priority import LANES
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "capacity.md").read_text("utf-8")
DEFAULTS = Settings()

loads = st.builds(
    sizing.Load,
    name=st.just("some"),
    devices=st.floats(1e3, 1e9),
    events_per_s=st.floats(1e2, 1e6),
    look_s=st.floats(1, 3600),
    checkpoint_s=st.floats(1, 3600),
    lease_s=st.floats(1, 120),
    shards_a_lane=st.integers(1, 1024),
    batch_s=st.floats(0.001, 1),
)


def test_the_page_shows_what_is_computed() -> None:
    assert written(PAGE) == PAGE, "run: .venv/bin/python -m bench.capacity --write docs/capacity.md"
    assert {found[2] for found in re.finditer(TABLE, PAGE)} == set(tables())


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("look_s", DEFAULTS.gateway.look_interval_s),
        ("checkpoint_s", DEFAULTS.gateway.checkpoint_interval_s * CHECKPOINT_MARGIN),
        ("stream_life_s", DEFAULTS.gateway.stream_life_s),
        ("gateway_sessions", DEFAULTS.gateway.max_sessions),
        ("lease_s", DEFAULTS.presence.lease_s),
        ("deliver_timeout_s", DEFAULTS.processor.deliver_timeout_s),
        ("deadline_s", DEFAULTS.ingestion.deadline_s),
        ("max_sessions", DEFAULTS.presence.max_sessions),
        ("envoy_connections", DEFAULTS.mesh.max_connections),
        ("publish_timeout_s", DEFAULTS.log.publish_timeout_s),
        ("log_max_bytes", sum(DEFAULTS.log.max_bytes(lane) for lane in LANES)),
        ("window_s", max(one.duplicate_window_ms for one in load(None).values()) / 1000),
    ],
)
def test_settings_are_counted_with_as_they_are(name: str, number: float) -> None:
    assert FIGURES[name].known is Known.SETTING
    assert math.isclose(value(name), number)


def test_every_setting_is_held_against_its_own() -> None:
    held = {name for name, one in FIGURES.items() if one.known is Known.SETTING}
    [mark] = [
        mark
        for mark in test_settings_are_counted_with_as_they_are.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    ]
    assert {name for name, _ in mark.args[1]} == held
    assert sizing.MAX_COURIERS == MAX_COURIERS


@given(loads)
@settings(max_examples=100)
def test_no_more_delivers_than_rows_nor_than_rounds_times_gateways(load: sizing.Load) -> None:
    calls = sizing.delivers_per_s(load)
    rounds = load.shards_a_lane * sizing.LANES / load.batch_s
    assert 0 < calls <= sizing.pushes_per_s(load) * (1 + 1e-9)
    assert calls <= rounds * sizing.gateways(load) * (1 + 1e-9)


@given(loads)
@settings(max_examples=100)
def test_what_is_shared_out_is_enough(load: sizing.Load) -> None:
    assert sizing.gateways(load) * value("gateway_sessions") >= load.devices
    used = sizing.gateway_cores(load, sizing.gateways(load))
    assert sizing.gateways(load) * value("busy") >= used * (1 - 1e-9)
    held = sizing.sessions_of_partition(load)
    assert held <= sizing.replica_sessions(load) * (1 + 1e-9)
    # Truthful: a replica that starts has learned everybody before it says OFFLINE of anybody.
    assert held * value("learn_us") / 1e6 <= load.lease_s


def test_a_day_by_hand() -> None:
    load = sizing.Load("one", 1e6, events_per_s=100_000)
    rows = 100_000 * value("average_of_peak") * 86_400
    assert sizing.inbox_bytes(load, 1) == pytest.approx(rows * value("row_bytes"))
    by_disk, _ = sizing.inbox_nodes(load, 1)
    assert by_disk == math.ceil(rows * value("row_bytes") * 3 / value("disk_bytes"))


def test_doors_times_shards_make_a_confirmation_wait() -> None:
    assert sizing.confirm_s(doors=2, shards=50, syncs_per_s=1000) == pytest.approx(0.3)


@given(loads)
@settings(max_examples=100)
def test_rounds_that_are_long_enough_fit_the_shards(load: sizing.Load) -> None:
    taken_s = sizing.round_s(load)
    room = load.shards_a_lane * value("busy")
    if math.isinf(taken_s):
        assert sizing.lane_cores(load, value("low_share"), 1e4) > room
    else:
        assert taken_s >= load.batch_s
        assert sizing.lane_cores(load, value("low_share"), taken_s) <= room * (1 + 1e-6)
    assert 0 < sizing.processors(load) <= load.shards_a_lane * sizing.LANES


def test_the_lanes_are_the_whole() -> None:
    assert len(sizing.SHARES) == sizing.LANES
    assert math.isclose(sum(sizing.SHARES), 1)
