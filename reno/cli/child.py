"""One child process: started, asked for its health, killed when silent, started again, stopped."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from reno.cli.child_log import ChildLog
from reno.cli.tether import tethered
from reno.cli.watch import Watch, WatchLimits

ASK_INTERVAL_S = 1.0
_READ_BYTES = 64 * 1024
# A grandchild may hold the pipe open: its words after the child's end are not waited for longer.
_LAST_WORDS_S = 1.0


class Probe(Protocol):
    """How a child is asked; both answer False, and do not raise, when there is no answer in time."""

    async def alive(self) -> bool:
        """The process answers at all."""
        ...

    async def ready(self) -> bool:
        """It does its work."""
        ...

    async def close(self) -> None:
        """Releases its connection."""
        ...


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """What to run. `environment` is the whole of it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    probe: Probe
    log: Path


@dataclass(frozen=True, slots=True)
class Happening:
    """Something about a child that its supervisor should know; `pid` is None when no process runs."""

    child: str
    what: Literal["started", "silent", "died", "stopped", "killed"]
    pid: int | None
    detail: str = ""


class Child:
    """Owns at most one process at a time."""

    def __init__(
        self,
        plan: ChildPlan,
        limits: WatchLimits,
        tell: Callable[[Happening], None],
        show: Callable[[str, str], None],
        *,
        verbose: bool = False,
        ask_interval_s: float = ASK_INTERVAL_S,
    ) -> None:
        self.plan = plan
        self._limits = limits
        self._tell = tell
        self._show = show
        self._verbose = verbose
        self._ask_interval_s = ask_interval_s
        self._watch = Watch(limits)
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def keep(self) -> None:
        """Keeps a process running until `stop`; ends when it has ended. Raises OSError when the command cannot be run."""
        try:
            while not self._stopping.is_set():
                delay_s = await self._live()
                if not self._stopping.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(delay_s):
                            await self._stopping.wait()
        finally:
            self.kill()
            await self.plan.probe.close()

    def ask_to_stop(self) -> None:
        """No more restarts; SIGTERM to the process."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """No more restarts; SIGKILL to the process."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The process object knows when it was reaped; until then the pid cannot be another's.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _live(self) -> float:
        """One life of the process; returns how long to wait before the next."""
        process = await asyncio.create_subprocess_exec(
            *tethered(os.getpid(), list(self.plan.command)),
            env=dict(self.plan.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches the parent alone, which then drains in order.
            start_new_session=True,
        )
        self._process = process
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        self._watch.started(time.monotonic())
        self._tell(Happening(self.plan.name, "started", process.pid))
        asking = asyncio.create_task(self._ask(process.pid))
        keeping = asyncio.create_task(self._keep_words(process))
        try:
            ended = asyncio.create_task(process.wait())
            await asyncio.wait({ended, asking}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking.result()
                self._signal(signal.SIGKILL)
            code = await ended
            await asyncio.wait({keeping}, timeout=_LAST_WORDS_S)
            if keeping.done():
                keeping.result()
        finally:
            self._signal(signal.SIGKILL)
            for task in (asking, keeping):
                task.cancel()
            await asyncio.gather(asking, keeping, process.wait(), return_exceptions=True)
        return self._ended(code)

    def _ended(self, code: int) -> float:
        delay_s = self._watch.died(time.monotonic())
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if not self._stopping.is_set():
            self._tell(Happening(self.plan.name, "died", None, f"{how}; again in {delay_s:.1f} s"))
        elif code == -signal.SIGKILL:
            self._tell(Happening(self.plan.name, "killed", None, how))
        else:
            self._tell(Happening(self.plan.name, "stopped", None, how))
        return delay_s

    async def _ask(self, pid: int) -> None:
        """Returns when the process was silent for too long."""
        while True:
            await asyncio.sleep(self._ask_interval_s)
            answered = await self.plan.probe.alive()
            if self._watch.heard(time.monotonic(), answered) and not self._stopping.is_set():
                silence = f"no good answer for {self._watch.silence_s:.0f} s"
                self._tell(Happening(self.plan.name, "silent", pid, silence))
                return

    async def _keep_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        name = self.plan.name
        with ChildLog(
            self.plan.log, lambda line: self._show(name, line), verbose=self._verbose
        ) as log:
            while data := await process.stdout.read(_READ_BYTES):
                log.feed(data)
