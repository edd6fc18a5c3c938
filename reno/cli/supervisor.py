"""Keeps a group of children running and ends them in order."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from reno.cli.child import ASK_INTERVAL_S, Child, ChildPlan, Happening
from reno.cli.fault import Fault
from reno.cli.watch import WatchLimits

READY_POLL_S = 0.1


class Supervisor:
    """Children by name. Every child's keeper is owned here: its failure ends `failure()`."""

    def __init__(
        self,
        limits: WatchLimits,
        tell: Callable[[Happening], None],
        show: Callable[[str, str], None],
        *,
        verbose: bool = False,
        ask_interval_s: float = ASK_INTERVAL_S,
    ) -> None:
        self._limits = limits
        self._tell = tell
        self._show = show
        self._verbose = verbose
        self._ask_interval_s = ask_interval_s
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._killed: list[str] = []

    @property
    def pids(self) -> dict[str, int]:
        """Of the processes that run now."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def add(self, plan: ChildPlan) -> None:
        """Starts a child and keeps it running."""
        child = Child(
            plan,
            self._limits,
            self._happened,
            self._show,
            verbose=self._verbose,
            ask_interval_s=self._ask_interval_s,
        )
        self._children[plan.name] = child
        self._keepers[plan.name] = asyncio.create_task(child.keep(), name=plan.name)

    async def wait_ready(self, names: Sequence[str], timeout_s: float) -> None:
        """Until each says that it does its work. Raises Fault naming those that do not in time, and what a keeper failed with."""
        waiting = list(names)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while waiting:
                    self._raise_failure()
                    probes = [self._children[name].plan.probe for name in waiting]
                    ready = await asyncio.gather(*(probe.ready() for probe in probes))
                    waiting = [
                        name for name, is_ready in zip(waiting, ready, strict=True) if not is_ready
                    ]
                    if waiting:
                        await asyncio.sleep(READY_POLL_S)
        if waiting:
            raise NotReady(waiting, timeout_s)

    async def failure(self) -> None:
        """Raises what a keeper failed with; returns when all were stopped."""
        await asyncio.wait(self._keepers.values(), return_when=asyncio.FIRST_EXCEPTION)
        self._raise_failure()

    async def drain(self, order: Sequence[Sequence[str]], timeout_s: float) -> list[str]:
        """Stops group after group: SIGTERM, after `timeout_s` SIGKILL. Returns the names that had to be killed."""
        for group in order:
            names = [name for name in group if name in self._children]
            for name in names:
                self._children[name].ask_to_stop()
            if not names:
                continue
            keepers = {self._keepers[name] for name in names}
            _, late = await asyncio.wait(keepers, timeout=timeout_s)
            if late:
                for name in names:
                    self._children[name].kill()
                await asyncio.wait(keepers)
        return self._killed

    async def kill(self) -> None:
        """Ends every child at once."""
        for child in self._children.values():
            child.kill()
        # One failure was said; what other keepers failed with meanwhile is the same trouble.
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    def _happened(self, happening: Happening) -> None:
        if happening.what == "killed":
            self._killed.append(happening.child)
        self._tell(happening)

    def _raise_failure(self) -> None:
        for keeper in self._keepers.values():
            if keeper.done() and not keeper.cancelled():
                keeper.result()


class NotReady(Fault):
    """Children that did not do their work in time."""

    def __init__(self, names: Sequence[str], timeout_s: float) -> None:
        super().__init__(f"not ready after {timeout_s:.0f} s: {', '.join(names)}")
        self.names = tuple(names)
