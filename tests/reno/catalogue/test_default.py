"""The shipped catalogue, row by row."""

from pathlib import Path

import pytest

from reno.catalogue.catalogue import load, parse, shipped_text
from reno.domain.priority import Priority

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

MERGED = ("latest", "required")
MERGED_BY_TYPE = ("latest", "optional")
NOT_MERGED = ("none", "optional")

# type: priority, max_age, ttl, merge and its key, echo, action
ROWS = {
    "viewing.progressed": (
        Priority.MEDIUM,
        10 * MINUTE_MS,
        7 * DAY_MS,
        MERGED,
        False,
        {"default": "refresh_row", "phone": "sync_continue_watching"},
    ),
    "home.refreshed": (
        Priority.LOW,
        HOUR_MS,
        DAY_MS,
        MERGED,
        False,
        {"default": "prefetch_home", "phone": "refresh_on_open"},
    ),
    "plan.changed": (
        Priority.HIGH,
        DAY_MS,
        30 * DAY_MS,
        MERGED_BY_TYPE,
        True,
        {"default": "reload_entitlements"},
    ),
    "list.changed": (
        Priority.MEDIUM,
        30 * MINUTE_MS,
        30 * DAY_MS,
        MERGED,
        False,
        {"default": "refresh_row", "phone": "sync_list"},
    ),
    "profile.changed": (
        Priority.MEDIUM,
        DAY_MS,
        30 * DAY_MS,
        NOT_MERGED,
        False,
        {"default": "reload_profiles"},
    ),
    "profile.maturity_changed": (
        Priority.HIGH,
        DAY_MS,
        30 * DAY_MS,
        MERGED,
        True,
        {"default": "enforce_maturity", "tv": "enforce_maturity_now"},
    ),
    "diagnostic.requested": (
        Priority.LOW,
        MINUTE_MS,
        MINUTE_MS,
        NOT_MERGED,
        False,
        {"default": "start_trace"},
    ),
}


def test_it_has_these_types_and_no_others() -> None:
    assert set(load(None)) == set(ROWS)


@pytest.mark.parametrize("event_type", ROWS)
def test_a_type_is_as_the_contract_says(event_type: str) -> None:
    entry = load(None)[event_type]
    assert (
        entry.priority,
        entry.max_age_ms,
        entry.ttl_ms,
        (entry.merge, entry.merge_key),
        entry.echo,
        entry.action,
    ) == ROWS[event_type]
    assert (entry.device_classes, entry.delivery) == ((), "push")


@pytest.mark.parametrize("event_type", ROWS)
def test_the_window_is_10_minutes_and_never_over_the_ttl(event_type: str) -> None:
    entry = load(None)[event_type]
    assert entry.duplicate_window_ms == min(10 * MINUTE_MS, entry.ttl_ms)


def test_a_file_at_a_path_is_a_catalogue_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(shipped_text(), encoding="utf-8")
    assert load(path) == parse(shipped_text()) == load(None)
