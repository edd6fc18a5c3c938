"""What a lane has otherwise than the others, and that nothing else changes."""

from typing import Any

import pytest
from pydantic import ValidationError

from reno.config.lane_settings import LaneSettings
from reno.config.loading import load
from reno.config.section import Section
from reno.config.settings import Settings
from reno.domain.priority import LANES, Priority


def test_without_own_values_a_lane_has_the_general_ones() -> None:
    settings = Settings()
    assert all(settings.for_lane(lane) == settings for lane in LANES)


def test_own_values_count_for_their_lane_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_LANES__LOW__SHARDS", "16")
    monkeypatch.setenv("RENO_LANES__LOW__LINGER_S", "0.05")
    monkeypatch.setenv("RENO_LANES__HIGH__MAX_BATCH_EVENTS", "64")
    settings = load()
    low, high = settings.for_lane(Priority.LOW), settings.for_lane(Priority.HIGH)
    assert (low.log.shards, low.ingestion.linger_s) == (16, 0.05)
    assert (high.log.shards, high.ingestion.linger_s) == (4, 0.0)
    assert high.processor.max_batch_events == 64
    assert settings.for_lane(Priority.MEDIUM) == settings


def test_every_own_value_stands_for_one_of_the_same_name() -> None:
    settings = Settings()
    given = LaneSettings.model_validate(dict.fromkeys(LaneSettings.model_fields, 1))
    names: list[str] = []
    for section in ("log", "ingestion", "processor"):
        own = given.of_section(section)
        assert own.keys() <= type(getattr(settings, section)).model_fields.keys()
        names += own
    assert sorted(names) == sorted(LaneSettings.model_fields)


@pytest.mark.parametrize("value", [-1, 0, 1, 6, 61, 1025, 4096, 90_000])
def test_an_own_value_is_refused_where_the_general_one_is(value: int) -> None:
    """It takes the general one's place unchecked: with a deadline beyond what the log remembers an envelope would be stored twice."""
    settings = Settings()
    own: dict[str, Any] = dict.fromkeys(LaneSettings.model_fields, value)
    given = LaneSettings.model_construct(**own)
    for section in ("log", "ingestion", "processor"):
        general = type(getattr(settings, section))
        for name in given.of_section(section):
            assert is_taken(LaneSettings, name, value) == is_taken(general, name, value), name


def is_taken(section: type[Section], name: str, value: int) -> bool:
    try:
        section.model_validate({name: value})
    except ValidationError:
        return False
    return True
