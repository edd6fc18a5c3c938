"""A deterministic event loop: nothing runs and no time passes unless it is told to, and whatever runs belongs to a process that can be frozen or killed."""

import asyncio
import gc
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, cast

import structlog

T = TypeVar("T")

EPOCH_MS = 1_700_000_000_000
"""What the clocks say when a history begins."""

MAX_HANDLES = 20_000
"""Of one step: more means that something spins without ever waiting."""


class Process:
    """One process of the mesh: its tasks, its clock, and whether it runs."""

    def __init__(self, kernel: "Kernel", name: str, skew_ms: int = 0) -> None:
        self.name = name
        self.skew_ms = skew_ms
        self.is_alive = True
        self.is_frozen = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.waiting: list[_Handle] = []
        self._kernel = kernel
        self._context = copy_context()
        self._context.run(_running.set, self)

    def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """Calls as code of this process does: with its clock, its tasks its own."""
        return self._context.run(call, *arguments)

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        return self._kernel.create_task(work, context=self._context.copy())

    @property
    def now_ms(self) -> int:
        return self._kernel.now_ms + self.skew_ms

    def freeze(self) -> None:
        """SIGSTOP."""
        self.is_frozen = True

    def thaw(self) -> None:
        """SIGCONT: what was due meanwhile is done now, late."""
        self.is_frozen = False
        self._kernel.ready.extend(self.waiting)
        self.waiting.clear()

    def kill(self) -> None:
        """SIGKILL: its tasks are unwound, but no port of a dead process reaches anybody."""
        self.is_alive = False
        self.thaw()
        for task in self.tasks:
            task.cancel()
        self._kernel.run_ready()
        self.tasks = [task for task in self.tasks if not task.done()]


_running: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class _Handle:
    __slots__ = ("arguments", "call", "context", "is_cancelled", "when_s")

    def __init__(
        self, call: Callable[..., Any], arguments: Any, context: Context | None, when_s: float
    ) -> None:
        self.call = call
        self.arguments = arguments
        self.context = copy_context() if context is None else context
        self.is_cancelled = False
        self.when_s = when_s

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.when_s


class Kernel:
    """What asyncio's tasks, futures and time-outs need of a loop, and no more."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ready: deque[_Handle] = deque()
        self.failures: list[BaseException] = []
        self._timers: list[tuple[float, int, _Handle]] = []
        self._serial = 0

    @property
    def now_ms(self) -> int:
        # As clock_ns says it: the same float times a thousand may be a millisecond later.
        return EPOCH_MS + int(self.now_s * 1e9) // 1_000_000

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)

    @contextmanager
    def running(self, seed: int) -> Iterator[None]:
        """Clocks, chance and the running loop are the simulation's inside."""
        kept = random.getstate(), time.time_ns, time.monotonic, asyncio._get_running_loop()
        random.seed(seed)
        clock = self.clock_ns
        time.time_ns = clock
        time.monotonic = self.time
        asyncio._set_running_loop(self.loop)
        was_configured, configuration = structlog.is_configured(), structlog.get_config()
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(50),
            cache_logger_on_first_use=False,
        )
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
            asyncio._set_running_loop(kept[3])
            time.time_ns, time.monotonic = kept[1], kept[2]
            random.setstate(kept[0])
            structlog.configure(**configuration)
            if not was_configured:
                structlog.reset_defaults()

    def clock_ns(self) -> int:
        """By the clock of the process that asks."""
        process = _running.get()
        skew_ms = process.skew_ms if process is not None else 0
        return (EPOCH_MS + skew_ms) * 1_000_000 + int(self.now_s * 1e9)

    def run_ready(self) -> None:
        """Until everybody waits for a port or for time."""
        ready = self.ready
        left = MAX_HANDLES
        while ready:
            handle = ready.popleft()
            if handle.is_cancelled:
                continue
            process = handle.context.get(_running)
            if process is not None and process.is_frozen:
                process.waiting.append(handle)
                continue
            handle.context.run(handle.call, *handle.arguments)
            left -= 1
            if not left:
                raise AssertionError("Bounded: something runs on and on without waiting")

    def advance(self, to_s: float) -> None:
        """Rings every timer up to then in its order."""
        timers = self._timers
        while timers and timers[0][0] <= to_s:
            when_s, _, handle = heapq.heappop(timers)
            if handle.is_cancelled:
                continue
            self.now_s = max(self.now_s, when_s)
            self.ready.append(handle)
            self.run_ready()
        self.now_s = max(self.now_s, to_s)

    def next_timer_s(self) -> float | None:
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        handle = _Handle(callback, args, context, 0.0)
        self.ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        handle = _Handle(callback, args, context, when)
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self.loop)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self.loop, name=name, context=context)
        process = _running.get() if context is None else context.get(_running)
        if process is not None:
            tasks = process.tasks
            if len(tasks) > 50:
                process.tasks = tasks = [each for each in tasks if not each.done()]
            tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or AssertionError(context["message"]))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False
