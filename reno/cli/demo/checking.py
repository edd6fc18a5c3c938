"""Holds what a device wrote against what the script expects of it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from reno.catalogue.catalogue import Catalogue
from reno.cli.demo.script import DemoEvent


@dataclass(frozen=True, slots=True)
class Seen:
    """One notification as a device process wrote it."""

    event_id: str
    event_type: str
    merge_key: str
    position: int
    priority: str
    via: str
    merged: int
    action: str
    received_at_ms: float


def scope_of(event_type: str, merge_key: str, catalogue: Catalogue) -> tuple[str, str] | None:
    """What a newer event replaces an older one by; None: never."""
    return (event_type, merge_key) if catalogue[event_type].merge == "latest" else None


def faults(
    expected: Sequence[DemoEvent], seen: Sequence[Seen], device_class: str, catalogue: Catalogue
) -> list[str]:
    """Empty when every expected event was seen once, or stands merged in a newer one that was, in order, with its class's action, and nothing else came."""
    found: list[str] = []
    times = Counter(one.event_id for one in seen)
    found += [f"{event_id} seen {count} times" for event_id, count in times.items() if count > 1]
    known = {event.event_id for event in expected}
    found += [f"{one.event_id} was not for it" for one in seen if one.event_id not in known]
    found += _misordered(seen)
    for one in seen:
        action = catalogue[one.event_type].action
        if one.action != action.get(device_class, action["default"]):
            found.append(f"{one.event_id}: action {one.action}")

    groups: dict[tuple[str, str], list[DemoEvent]] = defaultdict(list)
    for event in expected:
        scope = scope_of(event.event_type, event.merge_key, catalogue)
        if scope is None:
            if event.event_id not in times:
                found.append(f"{event.event_id} ({event.event_type}) never came")
        else:
            groups[scope].append(event)
    stood_for: Counter[tuple[str, str]] = Counter()
    for one in seen:
        stood_for[one.event_type, one.merge_key] += 1 + one.merged
    for scope, events in groups.items():
        if events[-1].event_id not in times:
            found.append(f"the newest of {' '.join(scope)} never came: {events[-1].event_id}")
        if stood_for[scope] != len(events):
            found.append(f"{' '.join(scope)}: {stood_for[scope]} seen or merged of {len(events)}")
    return found


def is_complete(expected: Sequence[DemoEvent], seen: Sequence[Seen], catalogue: Catalogue) -> bool:
    """Everything that must come has come; for waiting, where faults() is for judging."""
    ids = {one.event_id for one in seen}
    newest: dict[tuple[str, str], str] = {}
    for event in expected:
        scope = scope_of(event.event_type, event.merge_key, catalogue)
        if scope is not None:
            newest[scope] = event.event_id
        elif event.event_id not in ids:
            return False
    return ids.issuperset(newest.values())


def _misordered(seen: Sequence[Seen]) -> list[str]:
    last: dict[str, int] = {}
    found = []
    for one in seen:
        if one.position <= last.get(one.priority, 0):
            found.append(f"{one.event_id}: position {one.position} after {last[one.priority]}")
        last[one.priority] = one.position
    return found
