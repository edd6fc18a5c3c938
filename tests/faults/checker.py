"""The judge of a run: reads its op logs and names every promise that was broken. Linear: each line is looked at a fixed number of times.

python -m tests.faults.checker DIRECTORY
"""

import gc
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from pathlib import Path

from tests.faults.history import (
    Event,
    Frame,
    Gap,
    Parsed,
    Plan,
    Reader,
    read_plan,
    read_reader,
    readers_by_member,
)

MOST_EXAMPLES = 20
"""Of one error, spelt out; all are counted."""

UNBEGUN = (-2, -2, -2, -2)
"""A cursor whose lanes have no position yet: they have negative words for where they are to begin."""


class Broken(StrEnum):
    """What can be wrong, by the promise that it breaks."""

    LOST = "Durable: lost"
    GAP_UNSAID = "Resumable: gap-unsaid"
    MERGED_AWAY = "Durable: merged-away"
    REPEATED_AFTER_ACKNOWLEDGEMENT = "Once: repeated-after-acknowledgement"
    REPEATED_IN_STREAM = "Once: repeated-in-stream"
    TWICE = "Once: twice"
    MOVED = "Once: moved"
    OUT_OF_ORDER = "Ordered: out-of-order"
    CALLER_ORDER = "Ordered: caller-order"
    STALE_PUSH = "Fresh: stale-push"
    LATE_TOO_SOON = "Fresh: late-too-soon"
    EXPIRED_SHOWN = "Fresh: expired-shown"
    FOREIGN = "Private: foreign"
    NOT_TARGETED = "Private: not-targeted"
    CURSOR_FOREIGN = "Private: cursor-foreign"
    INVENTED = "Private: invented"
    REFUSED_SHOWN = "Private: refused-shown"
    ALTERED = "Private: altered"
    CURSOR_BACKWARDS = "Resumable: cursor-backwards"
    GAP_WITHOUT_CAUSE = "Resumable: gap-without-cause"
    FALSE_CAUGHT_UP = "Truthful: false-caught-up"


@dataclass(slots=True)
class Verdict:
    """`counts`: what was looked at. `broken`: how often, by name."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def say(self, what: Broken, where: str) -> None:
        self.broken[what.value] += 1
        if self.broken[what.value] <= MOST_EXAMPLES:
            self.examples.append(f"{what.value}: {where}")


Members = dict[str, dict[str, Event]]


def check(directory: Path) -> Verdict:
    """Everything in the directory, which must be complete. Raises ValueError for lines that nobody writes."""
    # Millions of values without a cycle: the collector would look at all of them again and again.
    gc.disable()
    try:
        return _check(directory)
    finally:
        gc.enable()


def _check(directory: Path) -> Verdict:
    verdict, plan, members = Verdict(), read_plan(directory), Members()
    for path in sorted(directory.glob("publish-*.log")):
        read_publisher(path, plan, members, verdict)
    for events in members.values():
        open_ends = [event for event in events.values() if not event.accepted_ms]
        verdict.counts["acknowledged"] += len(events) - len(open_ends)
        verdict.counts["not acknowledged"] += len(open_ends)
        verdict.counts["unknown"] += sum(event.unknown > 0 for event in open_ends)
    logs = readers_by_member(directory)
    for member in sorted({*members, *logs}):
        events = members.get(member, {})
        parsed: Parsed = {}
        readers = [read_reader(path, events, parsed) for path in logs.get(member, [])]
        for reader in readers:
            verdict.counts["readers"] += 1
            verdict.counts["received"] += reader.rows
            for validate in VALIDATORS:
                validate(reader, events, members, plan, verdict)
    return verdict


def read_publisher(path: Path, plan: Plan, members: Members, verdict: Verdict) -> None:
    """Also Ordered, as far as a caller can see it: receipts of first tries rise."""
    last: dict[tuple[str, int], int] = {}
    operations = 0
    with path.open(encoding="ascii") as file:
        for line in file:
            kind, wall, _mono, an_id, member, of, aim, scope, occurred, *end = line.split()
            operations += 1
            events = members.get(member)
            if events is None:
                events = members[member] = {}
            event = events.get(an_id)
            if event is None:
                event = events[an_id] = Event(an_id, plan.types[of], aim, scope, int(occurred))
            if kind == "A":
                position = int(end[0])
                if event.accepted_ms:
                    event.positions = [*(event.positions or ()), position]
                    continue
                event.accepted_ms = int(wall)
                event.position = position
                if end[1] == "2" and position:
                    place = (member, event.lane)
                    if position <= last.get(place, 0):
                        verdict.say(Broken.CALLER_ORDER, f"{path.stem} {an_id} of {member}")
                    last[place] = position
            elif kind == "U":
                event.unknown += 1
            elif kind != "R":
                raise ValueError(f"{path.name}: {line!r}")
    verdict.counts["operations"] += operations


def private(
    reader: Reader, events: dict[str, Event], members: Members, _plan: Plan, verdict: Verdict
) -> None:
    """Only what was published to this member, for this device, as it was published."""
    for an_id in sorted(reader.seen.keys() - events.keys()):
        elsewhere = any(an_id in others for others in members.values())
        verdict.say(Broken.FOREIGN if elsewhere else Broken.INVENTED, f"{reader.name} saw {an_id}")
    for an_id, event in events.items():
        if (event.aim == "-" and event.accepted_ms) or an_id not in reader.seen:
            continue
        if not reader.is_aimed_at(event.aim):
            verdict.say(Broken.NOT_TARGETED, f"{reader.name} saw {an_id} for {event.aim}")
        elif not (event.accepted_ms or event.unknown):
            verdict.say(Broken.REFUSED_SHOWN, f"{reader.name} saw {an_id}")
    for an_id in reader.altered:
        verdict.say(Broken.ALTERED, f"{reader.name} saw {an_id}")
    if foreign := sum("f" in frame.flags for frame in reader.frames):
        verdict.say(Broken.CURSOR_FOREIGN, f"{reader.name}, {foreign} times")


def once(
    reader: Reader, _events: dict[str, Event], _members: Members, _plan: Plan, verdict: Verdict
) -> None:
    """One place for each event, whoever sees it, and the one that its receipt says."""
    for frame in reader.frames:
        for _via, an_id, event, lane, position, _merged in frame.rows:
            if event is None or event.at == position:
                continue
            if event.at:
                verdict.say(Broken.TWICE, f"{reader.name} saw {an_id} at {position} and {event.at}")
                continue
            event.at = position
            receipts = event.receipts()
            is_known = event.accepted_ms and not event.unknown and 0 not in receipts
            if lane != event.lane or (is_known and position not in receipts):
                verdict.say(Broken.MOVED, f"{an_id} is at {lane} {position}, receipts {receipts}")


def ordered(
    reader: Reader, _events: dict[str, Event], _members: Members, _plan: Plan, verdict: Verdict
) -> None:
    """Positions and cursors rise in each lane; nothing comes again that was acknowledged."""
    last, kept, number = [0, 0, 0, 0], [0, 0, 0, 0], 0
    cursor = kept_cursor = UNBEGUN
    for step in reader.steps:
        if isinstance(step, Frame):
            if step.gap is not None and step.gap.reason == "FUTURE":
                last, kept, cursor = [0, 0, 0, 0], [0, 0, 0, 0], UNBEGUN
            for _via, an_id, _event, lane, position, _merged in step.rows:
                number += 1
                if position > last[lane]:
                    last[lane] = position
                    continue
                what = _out_of_place(reader.seen[an_id] == number, position <= kept[lane])
                verdict.say(what, f"{reader.name} saw {an_id} at {position} after {last[lane]}")
            earlier, cursor = cursor, step.cursor
            # A loop over lanes takes three times as long.
            if cursor[1] < earlier[1] or cursor[2] < earlier[2] or cursor[3] < earlier[3]:
                verdict.say(Broken.CURSOR_BACKWARDS, f"{reader.name}: {cursor} after {earlier}")
        elif step == "K":
            kept, kept_cursor = last.copy(), cursor
        elif step[0] == "O":
            if step != "O cursor":
                kept, kept_cursor = [0, 0, 0, 0], UNBEGUN
            last, cursor = kept.copy(), kept_cursor
    verdict.counts["repeated before acknowledgement"] += reader.rows - len(reader.seen)


def _out_of_place(is_first: bool, is_acknowledged: bool) -> Broken:
    if is_first:
        return Broken.OUT_OF_ORDER
    return Broken.REPEATED_AFTER_ACKNOWLEDGEMENT if is_acknowledged else Broken.REPEATED_IN_STREAM


def fresh(
    reader: Reader, _events: dict[str, Event], _members: Members, _plan: Plan, verdict: Verdict
) -> None:
    """By the clock of the gateway that made the frame: PUSH until push_until, CATCH_UP after it, nothing once it expired."""
    for frame in reader.frames:
        issued = frame.issued
        for via, an_id, event, _lane, _position, _merged in frame.rows:
            if event is None:
                continue
            if via == "P" and issued > event.push_until_ms:
                late = issued - event.push_until_ms
                verdict.say(Broken.STALE_PUSH, f"{reader.name} {an_id}, {late} ms late")
            elif via == "C" and issued <= event.push_until_ms:
                verdict.say(Broken.LATE_TOO_SOON, f"{reader.name} {an_id}")
            if issued > event.expires_ms:
                verdict.say(Broken.EXPIRED_SHOWN, f"{reader.name} {an_id}")


def durable(
    reader: Reader, events: dict[str, Event], _members: Members, plan: Plan, verdict: Verdict
) -> None:
    """What was acknowledged is seen by every reader that it concerns, or what took it is said. The run has waited until it was there."""
    gaps = reader.gaps
    for gap in gaps:
        verdict.counts[f"gaps {gap.reason}"] += 1
        if gap.reason not in plan.may:
            verdict.say(Broken.GAP_WITHOUT_CAUSE, f"{reader.name}: {gap.reason}")
    since_ms = _begins_ms(reader)
    scopes: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events.values():
        if event.scope != "-":
            scopes[event.lane, event.scope].append(event)
    missing = sorted(events.keys() - reader.seen.keys())
    ended_ms = (
        max((max(each.issued, each.wall) for each in reader.frames), default=0) if missing else 0
    )
    for an_id in missing:
        event = events[an_id]
        if (
            event.scope == "-"
            and event.accepted_ms > since_ms
            and event.expires_ms > ended_ms
            and reader.is_aimed_at(event.aim)
            and not _is_excused(event, gaps)
        ):
            what = Broken.GAP_UNSAID if plan.may & {"LOG_LOST"} else Broken.LOST
            verdict.say(what, f"{reader.name} never saw {an_id} at {event.position}")
    if scopes:
        _merged(reader, scopes, gaps, since_ms, verdict)


def _merged(
    reader: Reader,
    scopes: dict[tuple[int, str], list[Event]],
    gaps: list[Gap],
    since_ms: int,
    verdict: Verdict,
) -> None:
    """What is missing was followed by a newer one of its scope, which counts what lies behind the cursor before it: what a page left out for a row of the next one is not counted there, and neither is what nobody saw and may lie before. A lane that is to begin somewhere may begin as far as the reader had come."""
    seen: dict[str, tuple[int, int]] = {}
    cursor, furthest = UNBEGUN, list(UNBEGUN)
    for step in reader.steps:
        if isinstance(step, Frame):
            for _via, an_id, _event, lane, _position, merged in step.rows:
                if an_id not in seen:
                    seen[an_id] = merged, cursor[lane] if cursor[lane] >= 0 else furthest[lane]
            cursor = step.cursor
        elif step[0] == "O":
            furthest = list(map(max, furthest, cursor))
    for (_lane, scope), found in scopes.items():
        missing: list[Event] = []
        for event in sorted(found, key=Event.place):
            if event.id in seen:
                merged, after = seen[event.id]
                certain = sum(one.is_placed() and one.place() > after for one in missing)
                uncounted = certain - merged
                if uncounted > 0:
                    verdict.say(Broken.MERGED_AWAY, f"{reader.name}: {uncounted} by {event.id}")
                missing = []
            elif (
                event.accepted_ms > since_ms
                and reader.is_aimed_at(event.aim)
                and not _is_excused(event, gaps)
            ):
                missing.append(event)
        for event in missing:
            verdict.say(Broken.LOST, f"{reader.name} never saw {event.id} of scope {scope}")


def truthful(
    reader: Reader, events: dict[str, Event], _members: Members, plan: Plan, verdict: Verdict
) -> None:
    """A device that is told that it is current has everything that somebody else had seen by then, but for the stated slack."""
    gaps = reader.gaps
    since_ms = _begins_ms(reader)
    stored = sorted(
        [
            event
            for event in events.values()
            if event.first_seen
            and event.scope == "-"
            and (event.aim == "-" or reader.is_aimed_at(event.aim))
        ],
        key=attrgetter("first_seen"),
    )
    due = looked = 0
    for frame in reader.frames:
        # As long as it was under way, the look behind it is older. A gateway's clock that is ahead does not say how long: then it is no older than the frame before.
        if (under_way_ms := frame.wall - frame.issued) >= -plan.slack_ms:
            looked = frame.mono - max(0, under_way_ms)
        if "c" not in frame.flags:
            continue
        verdict.counts["caught up"] += 1
        rows = frame.rows_before + len(frame.rows)
        before = looked - plan.slack_ms
        while due < len(stored) and stored[due].first_seen < before:
            event = stored[due]
            due += 1
            if (
                reader.seen.get(event.id, rows + 1) > rows
                and event.accepted_ms > since_ms
                and event.expires_ms > frame.issued
                and not _is_excused(event, gaps)
            ):
                verdict.say(Broken.FALSE_CAUGHT_UP, f"{reader.name} at {frame.mono}: {event.id}")


def _begins_ms(reader: Reader) -> int:
    """A reader that asked for the latest only: it counts on nothing that was accepted before it was current."""
    if reader.steps[:1] != ["O latest"]:
        return 0
    return next((frame.wall for frame in reader.frames if "c" in frame.flags), 1 << 62)


def _is_excused(event: Event, gaps: list[Gap]) -> bool:
    return any(
        gap.reason != "FUTURE" and event.lane in gap.lanes and event.accepted_ms <= gap.until_ms
        for gap in gaps
    )


Validator = Callable[[Reader, dict[str, Event], Members, Plan, Verdict], None]
VALIDATORS: tuple[Validator, ...] = (private, once, ordered, fresh, durable, truthful)


def main() -> None:
    verdict = check(Path(sys.argv[1]))
    print(json.dumps({"counts": verdict.counts, "broken": verdict.broken}, indent=2))
    print("\n".join(verdict.examples))
    sys.exit(bool(verdict.broken))


if __name__ == "__main__":
    main()
