"""One running `reno up`: its children from start to drain."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any

from reno.cli.child import ASK_INTERVAL_S, ChildPlan, Happening
from reno.cli.child_log import last_lines
from reno.cli.fault import INTERRUPTED, REFUSED
from reno.cli.ports import PortPlan
from reno.cli.supervisor import NotReady, Supervisor
from reno.cli.up_files import remove_state, write_state
from reno.cli.up_report import Report
from reno.cli.watch import WatchLimits
from reno.config.settings import Settings, SupervisorSettings

_LAST_LINES = 5


class Signals:
    """Ctrl-C, SIGTERM and the terminal's end: the first asks for a drain, the second for an end at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._came)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class Installation:
    """Starts the log first and the rest when it is there; ends them from the door inwards."""

    def __init__(
        self,
        settings: Settings,
        ports: PortPlan,
        log_child: ChildPlan,
        roles: Sequence[ChildPlan],
        stop_order: Sequence[Sequence[str]],
        report: Report,
        *,
        verbose: bool,
    ) -> None:
        self._settings = settings
        self._ports = ports
        self._log_child = log_child
        self._roles = roles
        self._stop_order = stop_order
        self._report = report
        self._restarts: dict[str, int] = {}
        self._started: set[str] = set()
        self._supervisor = Supervisor(
            watch_limits(settings.supervisor), self._happened, report.said, verbose=verbose
        )

    async def run(self) -> int:
        """Until a signal or a failure; the exit code. Nothing of it runs when this returns."""
        signals = Signals()
        work = asyncio.create_task(self._work())
        asked = asyncio.create_task(signals.first.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            code = self._verdict(work)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return await self._drain(signals) or code
        finally:
            asked.cancel()
            await self._supervisor.kill()
            remove_state(self._settings.data_dir)

    async def _work(self) -> None:
        timeout_s = self._settings.supervisor.start_timeout_s
        self._supervisor.add(self._log_child)
        await self._supervisor.wait_ready([self._log_child.name], timeout_s)
        for plan in self._roles:
            self._supervisor.add(plan)
        await self._supervisor.wait_ready([plan.name for plan in self._roles], timeout_s)
        self._write_state()
        self._report.ready(self._ports, self._state())
        await self._supervisor.failure()

    def _verdict(self, work: asyncio.Task[None]) -> int:
        if not work.done():
            return 0
        error = work.exception()
        if isinstance(error, NotReady):
            self._report.note("not_ready", error.text)
            plans = {plan.name: plan for plan in (self._log_child, *self._roles)}
            for name in error.names:
                for line in last_lines(plans[name].log, _LAST_LINES):
                    self._report.said(name, line)
        elif isinstance(error, OSError):
            where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            self._report.note("failed", f"cannot run a child: {where}")
        elif error is not None:
            raise error
        return REFUSED

    async def _drain(self, signals: Signals) -> int:
        self._report.note("draining", "draining; Ctrl-C again ends everything at once")
        timeout_s = self._settings.supervisor.stop_timeout_s
        draining = asyncio.create_task(self._supervisor.drain(self._stop_order, timeout_s))
        again = asyncio.create_task(signals.second.wait())
        await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
        hurried = not draining.done()
        if hurried:
            await self._supervisor.kill()
        killed = await draining
        again.cancel()
        if hurried:
            self._report.note("stopped", "ended at once")
            return INTERRUPTED
        if killed:
            self._report.note("stopped", f"stopped; did not drain in time: {', '.join(killed)}")
            return REFUSED
        self._report.note("stopped", "stopped")
        return 0

    def _happened(self, happening: Happening) -> None:
        self._report.happened(happening)
        if happening.what == "started":
            if happening.child in self._started:
                self._restarts[happening.child] = self._restarts.get(happening.child, 0) + 1
            self._started.add(happening.child)
        # A full disk must not end the children: the file is only for those who look.
        with contextlib.suppress(OSError):
            self._write_state()

    def _write_state(self) -> None:
        write_state(self._settings.data_dir, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "base": self._ports.base,
            "mesh": self._ports.mesh,
            "gateways": self._ports.gateways,
            "data_dir": str(self._settings.data_dir),
            "ports": self._ports.as_dict(),
            "pids": self._supervisor.pids,
            "restarts": dict(self._restarts),
        }


def watch_limits(settings: SupervisorSettings) -> WatchLimits:
    """One question may take a third of the silence that kills."""
    return WatchLimits(
        silent_after_s=settings.silent_after_s,
        start_timeout_s=settings.start_timeout_s,
        restart_delay_s=settings.restart_delay_s,
        max_restart_delay_s=settings.max_restart_delay_s,
        longest_step_s=2 * ASK_INTERVAL_S + ask_timeout_s(settings),
    )


def ask_timeout_s(settings: SupervisorSettings) -> float:
    """How long a child may take to answer one question."""
    return settings.silent_after_s / 10
