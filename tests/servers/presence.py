"""Presence replicas for tests: in this process, or in one of their own that can be killed and frozen."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from presence.role import PresenceRole
from reno.config.settings import PresenceSettings, ServerSettings, Settings

LEASE_S = 1.0


def presence_settings(listen_internal: str = "127.0.0.1:0", lease_s: float = LEASE_S) -> Settings:
    return Settings(
        presence=PresenceSettings(
            listen="127.0.0.1:0", listen_internal=listen_internal, lease_s=lease_s
        ),
        server=ServerSettings(drain_s=0.5),
    )


@asynccontextmanager
async def presence_role(settings: Settings | None = None) -> AsyncIterator[PresenceRole]:
    """Drained at the end; a test that drains it itself does no harm."""
    role = PresenceRole(settings or presence_settings())
    await role.start()
    try:
        yield role
    finally:
        await role.drain()


class PresenceProcess:
    """A replica that dies or freezes when it is told to."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, str]) -> None:
        self._process = process
        self.public = addresses["presence"]
        self.internal = addresses["presence_internal"]

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def presence_process(
    listen_internal: str = "127.0.0.1:0", lease_s: float = LEASE_S
) -> AsyncIterator[PresenceProcess]:
    """Killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.servers.presence",
        listen_internal,
        str(lease_s),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        replica = PresenceProcess(process, json.loads(line))
        yield replica
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # its pipe would warn at the end of the loop


async def until(
    true: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 20.0
) -> None:
    """Waits for a condition; raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            answer = true()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def _serve(listen_internal: str, lease_s: float) -> None:
    role = PresenceRole(presence_settings(listen_internal, lease_s))
    await role.start()
    print(json.dumps(dict(role.addresses)), flush=True)
    await role.wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
