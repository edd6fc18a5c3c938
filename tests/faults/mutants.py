"""Wrong products: each is the right one with one promise undone when a process starts. A run of faults must call every one of them wrong.

python -m tests.faults.mutants [NAME...]        runs them, and says what each was caught by
"""

import argparse
import asyncio
import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIES = 10
"""Runs, with one seed after the other, in which a mutant must be caught."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`faults`: what brings it to light, as for `python -m tests.faults --faults`."""

    what: str
    apply: Callable[[], None]
    faults: str


def _swap(path: str, make: Callable[[Any], Any]) -> None:
    """Puts make(what was there) in the place MODULE:NAME or MODULE:CLASS.NAME. Raises AttributeError where there is nothing: the product has moved on, and so must the mutant."""
    module, _, names = path.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = names.split(".")
    for one in classes:
        owner = getattr(owner, one)
    setattr(owner, name, make(getattr(owner, name)))


def _accepted_unconfirmed() -> None:
    from reno.ports import LogAbsent, LogUnconfirmed  # noqa: PLC0415

    last: dict[Any, int] = {}

    def make(append: Any) -> Any:
        async def guessed(self: Any, shard: Any, *rest: Any) -> int:
            try:
                last[shard] = await append(self, shard, *rest)
            except (LogAbsent, LogUnconfirmed):
                last[shard] = last.get(shard, 0) + 1
            return last[shard]

        return guessed

    _swap("reno.adapters.nats_log_writer:NatsLogWriter.append", make)


def _purged_before_stored() -> None:
    def make(read: Any) -> Any:
        async def reading(self: Any, shard: Any, from_sequence: int) -> AsyncIterator[Any]:
            async for batch in read(self, shard, from_sequence):
                await self.purge(shard, batch[-1].sequence, batch[-1].reading)
                yield batch

        return reading

    _swap("reno.adapters.nats_log_reader:NatsLogReader.read", make)


def _discards_old() -> None:
    from nats.js.api import DiscardPolicy  # noqa: PLC0415

    def make(config: Any) -> Any:
        return lambda *rest: config(*rest).evolve(discard=DiscardPolicy.OLD)

    _swap("reno.adapters.nats_names:_config", make)


def _window_not_read_back() -> None:
    def make(_restore: Any) -> Any:
        def restored(self: Any, entry: Any) -> None:
            self._log_time_ms = max(self._log_time_ms, entry.log_time_ms)

        return restored

    _swap("processor.fold:Fold.restore", make)


def _lost_delivers_forgotten() -> None:
    from gateway.devices.lane import Verdict  # noqa: PLC0415

    def offering(offer: Any) -> Any:
        def offered(self: Any, position: int, previous: int | None) -> Any:
            if self.is_live and position > self.queued:
                self.queued = position
                return Verdict.QUEUE
            return offer(self, position, previous)

        return offered

    def delivering(deliver: Any) -> Any:
        return lambda *args, **kwargs: deliver(*args, **{**kwargs, "resync": False})

    # Each of the three heals what the others miss.
    _swap("gateway.devices.lane:Lane.offer", offering)
    _swap("reno.adapters.delivery_client:DeliveryClient.deliver", delivering)
    _swap("processor.couriers:Courier.owe", lambda _owe: lambda *_rows, **_earlier: None)


def _cursor_ahead() -> None:
    def make(cursor: Any) -> Any:
        def ahead(self: Any, now_ms: int) -> Any:
            sent = {lane: state.sent for lane, state in self.lanes.items()}
            for state in self.lanes.values():
                state.sent = max(state.sent, state.queued)
            try:
                return cursor(self, now_ms)
            finally:
                for lane, state in self.lanes.items():
                    state.sent = sent[lane]

        return ahead

    _swap("gateway.devices.session:Session.cursor", make)


def _resumed_too_early() -> None:
    def make(wanted: Any) -> Any:
        def earlier(cursor: Any, start_at: Any) -> Any:
            return {
                lane: max(0, position - (8 << 12)) if position > 0 else position
                for lane, position in wanted(cursor, start_at).items()
            }

        return earlier

    _swap("gateway.devices.notification_service:wanted_positions", make)


def _page_turned() -> None:
    def make(parse: Any) -> Any:
        return lambda page: parse(page)[::-1]

    _swap("gateway.devices.pulling:parse_page", make)


def _always(path: str, answer: object) -> Callable[[], None]:
    return lambda: _swap(path, lambda _was: lambda *_args, **_kwargs: answer)


def _expired_shown() -> None:
    for place in (
        "gateway.devices.session",
        "gateway.devices.outbox",
        "gateway.devices.pulling",
        "reno.adapters.paging",
    ):
        _always(f"{place}:is_expired", False)()


def _current_unlooked() -> None:
    _swap(
        "gateway.devices.session:Session._is_caught_up",
        lambda _was: lambda self: self._owes_caught_up and len(self._unbegun) < len(self.lanes),
    )


def _member_key_cut() -> None:
    def make(key: Any) -> Any:
        return lambda tenant, member_id: key(tenant, member_id[:2])

    # Bound by name where it is used, so before anything is imported.
    _swap("reno.domain.member:member_key", make)


def _receipt_elsewhere() -> None:
    def make(position_of: Any) -> Any:
        return lambda generation, sequence, index: position_of(generation, sequence, index + 1)

    _swap("gateway.ingestion.shard_writer:position_of", make)


KILLS = "kill:processor-high,kill:gateway-0,kill:processor-low,kill:processor-medium,kill:gateway-1"
CUTS = "herd:devices>gateway-0,herd:devices>gateway-1,cut:devices>gateway-0,kill:gateway-1,herd:devices>gateway-0"
WAYS = "half-open:processors>gateway-0,cut:processors>gateway-1,freeze:gateway-0,cut:processors>presence-0,half-open:processors>gateway-1"
QUIET = "slow:devices>gateway-0,slow:devices>gateway-1,slow:backends>ingestion,slow:devices>gateway-0,slow:devices>gateway-1,slow:devices>gateway-0"

MUTANTS = {
    "accepted-unconfirmed": Mutant(
        "the door says ACCEPTED though the log did not confirm",
        _accepted_unconfirmed,
        "cut:ingestion>nats,kill:nats,cut:ingestion>nats,freeze:nats",
    ),
    "purged-before-stored": Mutant(
        "the log is purged when it is read, not when its events are delivered",
        _purged_before_stored,
        KILLS,
    ),
    "discards-old": Mutant(
        "a full log drops its oldest events",
        _discards_old,
        "full-log:processor-low,freeze:processor-low",
    ),
    "window-not-read-back": Mutant(
        "a new owner does not read the duplicate window back", _window_not_read_back, KILLS
    ),
    "duplicates-pass": Mutant(
        "no event is a duplicate", _always("processor.fold:is_duplicate", False), QUIET
    ),
    "lost-delivers-forgotten": Mutant(
        "LIVE takes what comes, without a look at what was before it, and nobody is told of a Deliver that failed",
        _lost_delivers_forgotten,
        WAYS,
    ),
    "cursor-ahead": Mutant("a cursor says what is queued, not what was sent", _cursor_ahead, CUTS),
    "resumed-too-early": Mutant(
        "a cursor is resumed a little before its place", _resumed_too_early, CUTS
    ),
    "page-turned": Mutant("a page shows the newest first", _page_turned, QUIET),
    "stale-pushed": Mutant(
        "push_until is not looked at", _always("gateway.devices.session:is_pushable", True), QUIET
    ),
    "expired-shown": Mutant(
        "expires_at is not looked at by the gateway and its inbox",
        _expired_shown,
        QUIET,
    ),
    "targets-ignored": Mutant(
        "every device of the member is a target",
        _always("gateway.devices.view:is_targeted", True),
        QUIET,
    ),
    "current-unlooked": Mutant(
        "a device is told that it is current when its inbox was asked once",
        _current_unlooked,
        QUIET,
    ),
    "member-key-cut": Mutant(
        "a member's key is made of the first two characters", _member_key_cut, QUIET
    ),
    "receipt-elsewhere": Mutant(
        "receipts say the place beside the event's", _receipt_elsewhere, QUIET
    ),
}


def main() -> None:
    """Exit code 1 where one was not caught."""
    from tests.faults.run import Plan, run  # noqa: PLC0415
    from tests.faults.shapes import Shape  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants")
    parser.add_argument("names", nargs="*", default=list(MUTANTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--results", type=Path, default=Path("build/mutants"))
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    is_missed = False
    for name in options.names:
        mutant = MUTANTS[name]
        caught: dict[str, Any] = {"mutant": name, "what": mutant.what, "runs": 0, "caught": []}
        for seed in range(options.seed, options.seed + TRIES):
            place = Path(tempfile.mkdtemp(prefix="reno-mutant-"))
            plan = Plan(
                seed,
                60,
                options.rate,
                faults=mutant.faults.split(","),
                owed_within_s=30.0,
                shape=Shape(mutant=name),
            )
            result = asyncio.run(run(plan, place / "run"))
            shutil.rmtree(place)
            caught["runs"] += 1
            caught["caught"] = [f"{what} ({n})" for what, n in result.broken.items()]
            caught["why"] = result.why
            if result.broken:
                break
        is_missed |= not caught["caught"]
        (options.results / f"{name}.json").write_text(json.dumps(caught, indent=1))
        print(
            f"{name}: {', '.join(caught['caught']) or 'NOT CAUGHT'} in run {caught['runs']} {caught['why']}"
        )
    sys.exit(is_missed)


if __name__ == "__main__":
    main()
