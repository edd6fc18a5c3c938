"""Fail points: places of the product, one on each side of every wait between gate, store, journal, purge, look-up, deliver and acknowledge, where a process can be told to die.

FAULTS_POINTS names a file that is shared with whoever runs the process: how often each point was passed, which one is armed, and, after the death, where it was.
"""

import functools
import importlib
import inspect
import mmap
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Side = Literal["before", "after", "within"]


@dataclass(frozen=True, slots=True)
class FailPoint:
    """`place` as MODULE:CLASS.NAME, {inbox} for the engine's module and class; `within`: after an item of what it yields. `at_start`: passed when a process begins. `most`: the
    passing at which it dies, at most; fewer where they are rare. `engine`: the only inbox that has such a place."""

    role: str
    side: Side
    place: str
    at_start: bool = False
    most: int = 20
    engine: str = ""


_WRITER = "reno.adapters.nats_log_writer:NatsLogWriter"
_READER = "reno.adapters.nats_log_reader:NatsLogReader"
INBOXES = {
    "embedded": "reno.adapters.rocks_inbox:RocksInbox",
    "cassandra": "reno.adapters.cassandra_inbox:CassandraInbox",
}
_DELIVERY = "processor.delivery:Delivery"
_STREAM = "gateway.devices.stream:Stream"
_GATHERING = "gateway.devices.gathering:Gathering"
_TABLE = "presence.lease_table:LeaseTable"

POINTS = {
    "taken": FailPoint("ingestion", "after", "gateway.ingestion.door:IngestionDoor.take"),
    "append-before": FailPoint("ingestion", "before", f"{_WRITER}.append"),
    "append-after": FailPoint("ingestion", "after", f"{_WRITER}.append"),
    "answer-before": FailPoint("ingestion", "before", "gateway.ingestion.pending:Pending.results"),
    "answer-after": FailPoint("ingestion", "after", "gateway.ingestion.pending:Pending.results"),
    "log-read": FailPoint("processor", "within", f"{_READER}.read"),
    "fold-after": FailPoint("processor", "after", "processor.fold:Fold.fold"),
    "store-before": FailPoint("processor", "before", "{inbox}.append"),
    "rows-after": FailPoint("processor", "after", "{inbox}._write_rows", engine="cassandra"),
    "store-after": FailPoint("processor", "after", "{inbox}.append"),
    "look-up-before": FailPoint("processor", "before", f"{_DELIVERY}._look_up"),
    "look-up-after": FailPoint("processor", "after", f"{_DELIVERY}._look_up"),
    "deliver-before": FailPoint(
        "processor", "before", "reno.adapters.delivery_client:DeliveryClient.deliver"
    ),
    "deliver-after": FailPoint(
        "processor", "after", "reno.adapters.delivery_client:DeliveryClient.deliver"
    ),
    "purge-before": FailPoint("processor", "before", f"{_READER}.purge"),
    "purge-after": FailPoint("processor", "after", f"{_READER}.purge"),
    "bind-before": FailPoint(
        "processor", "before", "processor.binding:Binding.bind", at_start=True, most=2
    ),
    "journal-read": FailPoint("processor", "within", "{inbox}.journal", at_start=True),
    "bind-after": FailPoint(
        "processor", "after", "processor.binding:Binding.bind", at_start=True, most=2
    ),
    "inbox-served": FailPoint("processor", "after", "{inbox}.read", engine="embedded"),
    "marks-kept": FailPoint(
        "processor", "after", "{inbox}.keep_acknowledged", most=5, engine="embedded"
    ),
    "delivered-before": FailPoint(
        "gateway", "before", "gateway.devices.delivering:Delivering.deliver"
    ),
    "delivered-after": FailPoint(
        "gateway", "after", "gateway.devices.delivering:Delivering.deliver"
    ),
    "register-before": FailPoint(
        "gateway", "before", "reno.adapters.attachments:Attachments.began", most=5
    ),
    "register-after": FailPoint(
        "gateway", "after", "reno.adapters.attachments:Attachments.began", most=5
    ),
    "known": FailPoint("gateway", "before", "gateway.devices.role:GatewayRole._known", most=5),
    "inbox-read-before": FailPoint("gateway", "before", f"{_GATHERING}.read"),
    "inbox-read-after": FailPoint("gateway", "after", f"{_GATHERING}.read"),
    "hand-before": FailPoint("gateway", "before", f"{_STREAM}._hand"),
    "hand-after": FailPoint("gateway", "after", f"{_STREAM}._hand"),
    "acknowledge-before": FailPoint(
        "gateway", "before", "gateway.devices.acknowledging:Acknowledging.keep", most=5
    ),
    "acknowledge-after": FailPoint(
        "gateway", "after", "gateway.devices.acknowledging:Acknowledging.keep", most=5
    ),
    "checkpoint-before": FailPoint("gateway", "before", f"{_GATHERING}.keep_acknowledged", most=5),
    "checkpoint-after": FailPoint("gateway", "after", f"{_GATHERING}.keep_acknowledged", most=5),
    "hello-before": FailPoint("presence", "before", f"{_TABLE}.hello", at_start=True, most=2),
    "hello-after": FailPoint("presence", "after", f"{_TABLE}.hello", at_start=True, most=2),
    "attach-before": FailPoint("presence", "before", f"{_TABLE}.change", most=5),
    "attach-after": FailPoint("presence", "after", f"{_TABLE}.change", most=5),
    "located": FailPoint("presence", "after", f"{_TABLE}.lookup"),
}
NUMBERS = {name: number for number, name in enumerate(POINTS)}


class PointFile:
    """Both sides' view of it: words of 4 bytes, those of a process that died are still there."""

    _ARMED, _LEFT, _DIED, _HEAD = 0, 1, 2, 3

    def __init__(self, file: Path) -> None:
        """Makes an empty one where there is none."""
        size = 4 * (self._HEAD + len(POINTS))
        with file.open("r+b" if file.exists() else "w+b") as opened:
            opened.truncate(size)
            self._words = memoryview(mmap.mmap(opened.fileno(), size)).cast("I")

    def arm(self, point: str, passings: int) -> None:
        """The process dies when it has passed it so often."""
        self._words[self._DIED] = 0
        self._words[self._LEFT] = passings
        self._words[self._ARMED] = NUMBERS[point] + 1

    def disarm(self) -> None:
        self._words[self._ARMED] = 0

    def died_at(self, point: str) -> bool:
        """A process said so, as its last deed, since the point was armed."""
        return self._words[self._DIED] == NUMBERS[point] + 1

    def passed(self, point: str) -> int:
        """By all lives of the process."""
        return self._words[self._HEAD + NUMBERS[point]]

    def passes(self, number: int) -> Callable[[], None]:
        """What a point does."""
        words, armed = self._words, number + 1
        count = self._HEAD + number

        def passed() -> None:
            words[count] += 1
            if words[self._ARMED] != armed:
                return
            words[self._LEFT] -= 1
            if not words[self._LEFT]:
                words[self._ARMED] = 0
                words[self._DIED] = armed
                os.kill(os.getpid(), signal.SIGKILL)

        return passed


def points_of(role: str, engine: str) -> dict[str, FailPoint]:
    """By name: those that a process of the role passes, with this inbox."""
    return {
        name: point
        for name, point in POINTS.items()
        if point.role == role and point.engine in {"", engine}
    }


def place_points(file: Path, role: str, engine: str) -> None:
    """Into this process. Raises AttributeError where a place is no more: the product has moved on, and so must the point."""
    shared = PointFile(file)
    for name, point in points_of(role, engine).items():
        path, _, method = point.place.replace("{inbox}", INBOXES[engine]).rpartition(".")
        module, _, class_name = path.partition(":")
        owner = getattr(importlib.import_module(module), class_name)
        wrapped = _wrapped(getattr(owner, method), point.side, shared.passes(NUMBERS[name]))
        setattr(owner, method, wrapped)


def _wrapped(function: Any, side: Side, passed: Callable[[], None]) -> Any:
    @functools.wraps(function)
    async def yielding(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with aclosing(function(*args, **kwargs)) as items:
            async for item in items:
                passed()
                yield item

    @functools.wraps(function)
    async def waiting(*args: Any, **kwargs: Any) -> Any:
        if side == "before":
            passed()
        result = await function(*args, **kwargs)
        if side == "after":
            passed()
        return result

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        if side == "before":
            passed()
        result = function(*args, **kwargs)
        if side == "after":
            passed()
        return result

    if side == "within":
        assert inspect.isasyncgenfunction(function)
        return yielding
    return waiting if inspect.iscoroutinefunction(function) else calling
