"""Strikes on disks: one that is full, files that may not grow, and a stream that is full."""

import asyncio
import resource
import signal
import time

from reno.cli.probes import LogProbe
from tests.faults.bite import BITE_WITHIN_S, Bite, bitten
from tests.faults.ground import Ground, wait_until
from tests.faults.population import Population

ASK_TIMEOUT_S, ASK_AGAIN_S = 2.0, 0.25
GIVES_UP_WITHIN_S = 5.0
"""A processor whose disk has room again, and that must open its inbox anew."""

NO_ROOM, TOO_LARGE = b"o space left on device", b"ile too large"


async def full_log(ground: Ground, population: Population, name: str, _lasts_s: float) -> Bite:
    """A lane's processor stands still until the log takes no more of its events."""
    counts = population.counts
    before = counts()["FULL"]
    ground.send(name, signal.SIGSTOP)
    await wait_until(lambda: counts()["FULL"] > before, BITE_WITHIN_S)
    ground.send(name, signal.SIGCONT)
    refused = counts()["FULL"] - before
    return Bite(f"{refused} events refused as FULL" if refused else "", time.monotonic())


async def full_disk(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """The file system under its data takes no more, and then has room again."""
    disk, said = ground.disks[name], _Words(ground, name)

    def has_bitten() -> bool:
        # Also what it gave back since.
        disk.fill()
        return said.count(NO_ROOM) > 0

    died = ground.died[name]
    await asyncio.to_thread(disk.fill)
    await bitten(has_bitten, lasts_s)
    disk.empty()
    at = time.monotonic()
    words = said.count(NO_ROOM)
    again = await _started_again(ground, population, name, died)
    return Bite(f"{words} times no space left{again}" if words else "", at)


async def no_growth(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """Its files may not grow any more (RLIMIT_FSIZE): every write fails, until it was started again."""
    died, said = ground.died[name], _Words(ground, name)
    # What it says may still be written for a while; its data are far more.
    size = said.log.stat().st_size + (64 << 10)
    pid, no_limit = ground.pid(name), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def has_bitten() -> bool:
        is_server = name in ground.log_servers
        return ground.died[name] > died or (is_server and said.count(TOO_LARGE) > 0)

    # Or the log might be purged as fast as it grows.
    idle = ground.processors if name in ground.log_servers else ()
    for processor in idle:
        ground.send(processor, signal.SIGSTOP)
    await wait_until(has_bitten, BITE_WITHIN_S)
    for processor in idle:
        ground.send(processor, signal.SIGCONT)
    at = time.monotonic()
    has_died = ground.died[name] > died
    if not has_died:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limit)
    again = await _started_again(ground, population, name, died)
    words = said.count(TOO_LARGE)
    return Bite(f"{words} times file too large{again}" if words or again else "", at)


async def _started_again(ground: Ground, population: Population, name: str, died: int) -> str:
    """As its supervisor does; what to say of it. The log's server does not recover by itself, and is asked as `reno up` asks it."""
    server = ground.log_servers.get(name)
    if server is None:
        await wait_until(lambda: ground.died[name] > died, GIVES_UP_WITHIN_S)
        times = ground.died[name] - died
        ground.died[name] = died
        return f", started again {times} times" if times else ""
    store = ground.disks[name].inside if name in ground.disks else server.directory
    probe = LogProbe("127.0.0.1", server.monitor_port, store, ASK_TIMEOUT_S)
    since = time.monotonic()
    while (waited_s := time.monotonic() - since) < BITE_WITHIN_S:
        if not await probe.alive():
            await ground.kill(name)
            await ground.revive(name)
            return ", started again since it wrote no more"
        # Of several servers the others may do without this one.
        if waited_s > ASK_TIMEOUT_S and population.prober.is_through(since):
            break
        await asyncio.sleep(ASK_AGAIN_S)
    return ""


class _Words:
    """What a process has said since."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.log = ground.log(name)
        self._from = self.log.stat().st_size

    def count(self, words: bytes) -> int:
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().count(words)
