"""Ends what a driver would never answer: one timer for all that is in flight, since a timer a request costs as much as a third of the request."""

import asyncio
from types import TracebackType
from typing import Any


class Overdue:
    """`with overdue:` around an await raises TimeoutError in it, `after_s` to 1.25 times that later; once at a time in a task."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._due_s: dict[asyncio.Task[Any], float] = {}
        """Of the tasks that wait, soonest first."""
        self._given_up: set[asyncio.Task[Any]] = set()
        self._is_ticking = False

    def __enter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._due_s[task] = loop.time() + self._after_s
        if not self._is_ticking:
            self._is_ticking = True
            loop.call_later(self._after_s / 4, self._tick)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        del self._due_s[task]
        if task in self._given_up:
            self._given_up.remove(task)
            # Somebody else may have cancelled it, too: that is theirs.
            if task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
                raise TimeoutError from error

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for task, due_s in self._due_s.items():
            if due_s > now_s:
                break
            if task not in self._given_up:
                self._given_up.add(task)
                task.cancel()
        self._is_ticking = bool(self._due_s)
        if self._is_ticking:
            loop.call_later(self._after_s / 4, self._tick)
