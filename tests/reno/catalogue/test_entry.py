"""What an entry may say, and that every fault names its key."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.catalogue.catalogue import CatalogueError, parse
from reno.catalogue.entry import LONGEST_TTL_MS, LONGEST_WINDOW_MS

SOUND = {"priority": '"high"', "max_age": '"1m"', "ttl": '"1h"', "action": '"reload"'}


def text(changed: Mapping[str, str | None]) -> str:
    values = {key: value for key, value in (SOUND | dict(changed)).items() if value is not None}
    return "\n".join(['["seat.changed"]', *(f"{key} = {value}" for key, value in values.items())])


def faults_of(changed: Mapping[str, str | None]) -> list[str]:
    with pytest.raises(CatalogueError) as refused:
        parse(text(changed))
    return str(refused.value).splitlines()


@given(st.integers(1, 1000), st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000)]))
def test_durations_carry_their_unit(count: int, unit: tuple[str, int]) -> None:
    word, factor = unit
    entry = parse(text({"max_age": f'"{count}{word}"', "ttl": '"30d"'}))["seat.changed"]
    assert entry.max_age_ms == count * factor


def test_hours_and_days() -> None:
    entry = parse(text({"max_age": '"36h"', "ttl": '"7d"'}))["seat.changed"]
    assert (entry.max_age_ms, entry.ttl_ms) == (129_600_000, 604_800_000)


def test_what_is_left_out_has_a_default() -> None:
    entry = parse(text({}))["seat.changed"]
    assert (entry.window_ms, entry.merge, entry.merge_key) == (600_000, "none", "optional")
    assert (entry.device_classes, entry.delivery, entry.echo) == ((), "push", False)
    assert entry.action == {"default": "reload"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("priority", '"urgent"'),
        ("priority", "1"),
        ("priority", None),
        ("max_age", '"10"'),
        ("max_age", "10"),
        ("max_age", '"-1m"'),
        ("max_age", '"1.5h"'),
        ("max_age", '"0s"'),
        ("max_age", None),
        ("ttl", '"1w"'),
        ("ttl", f'"{LONGEST_TTL_MS + 1}ms"'),
        ("ttl", None),
        ("window", '"soon"'),
        ("window", f'"{LONGEST_WINDOW_MS + 1}ms"'),
        ("merge", '"oldest"'),
        ("merge_key", '"forbidden"'),
        ("device_classes", '["smart tv"]'),
        ("delivery", '"mail"'),
        ("echo", '"perhaps"'),
        ("action", '"two words"'),
        ("action", None),
        ("colour", '"blue"'),
    ],
)
def test_every_fault_names_its_entry_and_its_key(key: str, value: str | None) -> None:
    faults = faults_of({key: value})
    assert len(faults) == 1
    assert faults[0].startswith(f"seat.changed.{key}")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_age": '"2h"'}, "max_age is longer than ttl"),
        ({"window": '"1h"', "ttl": '"30m"'}, "window is longer than ttl"),
        ({"action": '{ tv = "reload" }'}, "action needs a default"),
    ],
)
def test_what_does_not_fit_together_is_refused(changed: dict[str, str], words: str) -> None:
    (fault,) = faults_of(changed)
    assert fault.startswith("seat.changed")
    assert words in fault


def test_all_faults_are_told_at_once() -> None:
    assert len(faults_of({"priority": '"urgent"', "ttl": "1", "colour": "1"})) == 3


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(CatalogueError, match="not TOML"):
        parse("[seat")


def test_a_types_name_is_visible_ascii() -> None:
    with pytest.raises(CatalogueError, match="seat changed"):
        parse(text({}).replace("seat.changed", "seat changed"))
