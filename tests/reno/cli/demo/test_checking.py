"""The demo's judge: a right run passes, every wrong one is named."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reno.catalogue.catalogue import load
from reno.cli.demo.checking import Seen, faults, is_complete
from reno.cli.demo.script import DemoDevice, DemoEvent, expected_for, write_script

CATALOGUE = load(None)


def as_seen(event: DemoEvent, position: int, device_class: str = "tv", merged: int = 0) -> Seen:
    entry = CATALOGUE[event.event_type]
    action = entry.action.get(device_class, entry.action["default"])
    word = entry.priority.word
    return Seen(
        event.event_id,
        event.event_type,
        event.merge_key,
        position,
        word,
        "PUSH",
        merged,
        action,
        0.0,
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_what_the_script_expects_of_each_device_passes(seed: int) -> None:
    script = write_script(seed)
    events = [event for scene in script.scenes.values() for event in scene.events]
    for device in script.devices:
        expected = expected_for(device, events, CATALOGUE)
        seen = [as_seen(event, n, device.device_class) for n, event in enumerate(expected, 1)]
        assert faults(expected, seen, device.device_class, CATALOGUE) == []
        assert is_complete(expected, seen, CATALOGUE)


PLAIN = [DemoEvent(f"p{n}", "profile.changed", "anna") for n in range(3)]
MERGED = [DemoEvent(f"m{n}", "list.changed", "anna", merge_key="k") for n in range(3)]
GOOD = [as_seen(event, n) for n, event in enumerate(PLAIN, 1)] + [as_seen(MERGED[2], 9, merged=2)]


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (GOOD[1:], "never came"),
        (GOOD[:-1], "the newest of list.changed k never came"),
        ([*GOOD[:-1], replace(GOOD[-1], merged=1)], "2 seen or merged of 3"),
        ([*GOOD, GOOD[-1]], "seen 2 times"),
        ([GOOD[1], GOOD[0], *GOOD[2:]], "position 1 after 2"),
        ([replace(GOOD[0], action="dance"), *GOOD[1:]], "action dance"),
        ([*GOOD, replace(GOOD[0], event_id="x", position=10)], "x was not for it"),
    ],
)
def test_a_wrong_run_is_named(seen: list[Seen], fault: str) -> None:
    assert any(fault in line for line in faults([*PLAIN, *MERGED], seen, "tv", CATALOGUE))


def test_targets_and_origin_are_expected_as_the_catalogue_says() -> None:
    phone = DemoDevice("anna", "phone", "phone")
    only_tv = DemoEvent("1", "diagnostic.requested", "anna", classes=("tv",))
    own = DemoEvent("2", "viewing.progressed", "anna", merge_key="k", origin="phone")
    echoed = DemoEvent("3", "plan.changed", "anna", origin="phone")
    assert expected_for(phone, [only_tv, own, echoed], CATALOGUE) == [echoed]
