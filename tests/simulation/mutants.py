"""Wrong products: the code of one module with a few words changed. The simulation must catch every one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """`edits` are (what stands there, once, and what stands there instead)."""

    name: str
    module: str
    edits: tuple[tuple[str, str], ...]
    from_seed: int = 0
    """Where to begin: some mistakes show in few histories."""

    @contextmanager
    def alive(self) -> Iterator[None]:
        """The module's functions run the changed code inside; nobody else's objects change."""
        module = import_module(self.module)
        assert module.__file__ is not None
        text = Path(module.__file__).read_text(encoding="utf-8")
        for old, new in self.edits:
            assert text.count(old) == 1, f"{self.name}: {old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        changed = dict(_codes(compile(text, module.__file__, "exec")))
        kept = [(function, function.__code__) for function in _functions(module)]
        try:
            for function, code in kept:
                function.__code__ = changed[code.co_qualname]
            yield
        finally:
            for function, code in kept:
                function.__code__ = code


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each.co_qualname, each
            yield from _codes(each)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """Those that the module's text defines; not what decorators made."""
    for value in vars(module).values():
        members = vars(value).values() if isinstance(value, type) else [value]
        for member in members:
            for function in (
                member,
                getattr(member, "fget", None),
                getattr(member, "__func__", None),
            ):
                if isinstance(function, FunctionType) and (
                    function.__code__.co_filename == module.__file__
                ):
                    yield function


MUTANTS = (
    Mutant(
        "purge before deliver",
        "processor.owner",
        (
            (
                "            if batch.deliverables.rows:\n                await delivery.deliver(batch.deliverables)\n",
                "            purger.delivered(batch.through_sequence, batch.log_time_ms)\n"
                "            if batch.deliverables.rows:\n                await delivery.deliver(batch.deliverables)\n",
            ),
        ),
        from_seed=100,
    ),
    Mutant(
        "deliver before store",
        "processor.owner",
        (
            (
                "        if batch.writes:\n            await self._patience",
                "        await batches.put(batch)\n        if batch.writes:\n            await self._patience",
            ),
            ("add(events, labels)\n        await batches.put(batch)", "add(events, labels)"),
        ),
    ),
    Mutant(
        "an owner that does not look round",
        "processor.owner",
        (("                    await self._look_round()\n", ""),),
    ),
    Mutant(
        "only the last envelope of a batch is stored",
        "processor.owner",
        (
            (
                "self._inbox.append(self.shard, batch.writes)",
                "self._inbox.append(self.shard, batch.writes[-1:])",
            ),
        ),
    ),
    Mutant(
        "duplicate window not read back",
        "processor.binding",
        (("fold.restore(entry)", "pass"),),
    ),
    Mutant(
        "no duplicate gate",
        "processor.fold",
        (("is_duplicate(first_ms, window_ms, now_ms):", "False:"),),
    ),
    Mutant(
        "previous without the rows that nobody was sent",
        "processor.previous",
        (("            if key in remembered:", "            if False:"),),
    ),
    Mutant(
        "rows behind a late call are forgotten",
        "processor.couriers",
        (("                courier.owe(rows_by_gateway[gateway])\n", "                pass\n"),),
    ),
    Mutant(
        "LIVE without the previous check",
        "gateway.devices.lane",
        (("if previous is not None and previous <= self.queued:", "if True:"),),
    ),
    Mutant(
        "unknown previous taken for none",
        "gateway.devices.lane",
        (("previous is not None and previous <=", "previous is None or previous <="),),
    ),
    Mutant(
        "read before register",
        "gateway.devices.stream",
        (
            ("        while self._unconfirmed > 0:\n", "        while False:\n"),
            ("            self.look(lane)", "            pass"),
        ),
        from_seed=170,
    ),
    Mutant(
        "cursor of what is queued",
        "gateway.devices.session",
        (("self.lanes[lane].sent)", "self.lanes[lane].queued)"),),
    ),
    Mutant(
        "current without looking",
        "gateway.devices.session",
        (
            (
                "lane.is_live and lane.current_at is not None and lane.sent >= lane.current_at",
                "True",
            ),
        ),
    ),
    Mutant(
        "void rows stay in the outbox",
        "gateway.devices.session",
        (("        self.outbox.drop(priority)\n", ""),),
    ),
    Mutant(
        "everything is a push",
        "gateway.devices.session",
        (
            (
                "is_push = not row.store_only and is_pushable(row.push_until_ms, now_ms)",
                "is_push = True",
            ),
        ),
    ),
    Mutant(
        "no target filter on push",
        "gateway.devices.session",
        (("        if not row.is_for(self.device):", "        if False:"),),
    ),
    Mutant(
        "merge before the target filter",
        "gateway.devices.session",
        (
            (
                "        for row in rows:",
                "        from gateway.devices.merging import merge\n"
                "        for row in (each.row for each in merge(map(Shown, rows))):",
            ),
        ),
    ),
    Mutant(
        "a page's cursor skips what did not fit",
        "gateway.devices.pulling",
        (("        if taken == len(rows):", "        if True:"),),
    ),
    Mutant(
        "unbounded outbox",
        "gateway.devices.outbox",
        (
            (
                "return size <= self._budget.free_bytes and (has_place or not queue.rows)",
                "return True",
            ),
        ),
    ),
    Mutant(
        "expiry checked only at entry",
        "gateway.devices.outbox",
        (("        if is_expired(min(", "        if False and is_expired(min("),),
        from_seed=45,
    ),
    Mutant(
        "a late goodbye removes the newer session",
        "gateway.devices.registry",
        (
            (
                "        if self._by_number.pop(session.number, None) is None:\n            return\n",
                "        self._by_number.pop(session.number, None)\n        if session.device.device_id not in self._members.get(session.device.member_key, ()):\n            return\n",
            ),
        ),
    ),
    Mutant(
        "acknowledged means all there is",
        "gateway.devices.starting",
        (("position = acknowledged if", "position = mark if"),),
    ),
    Mutant(
        "leases never end",
        "presence.lease_table",
        (("            if now_ms >= lease.until_ms:", "            if False:"),),
    ),
    Mutant(
        "unknown said as offline",
        "presence.lease_table",
        (
            (
                "PresenceState.OFFLINE if self.is_sure(now_ms) else PresenceState.UNKNOWN",
                "PresenceState.OFFLINE if True else PresenceState.UNKNOWN",
            ),
        ),
    ),
)
