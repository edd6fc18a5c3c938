"""What a lane has otherwise than the others, and that nothing else changes."""

import pytest

from reno.config.lane_settings import LaneSettings
from reno.config.loading import load
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
