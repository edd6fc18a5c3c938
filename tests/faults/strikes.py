"""The faults: each strikes, heals, and says by what it has shown that it bit."""

import asyncio
import signal
import time
from collections.abc import Callable
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from reno.adapters.nats_names import subject_of
from reno.domain.priority import LANES
from reno.ports import shards_of_lane
from reno.wire.envelope import seal_envelope
from reno.wire.logged_row import logged_row
from tests.faults.bite import BITE_WITHIN_S, Bite, Strike, bitten
from tests.faults.crashing import crash, crash_targets, power_loss, rolling
from tests.faults.filling import full_disk, full_log, no_growth
from tests.faults.ground import Ground
from tests.faults.launcher import set_clock
from tests.faults.layout import CASSANDRA
from tests.faults.population import Population
from tests.faults.traffic import SHARDS

JUMP_S = 3660.0
"""An hour, and longer than the oldest that a door takes."""


async def kill(ground: Ground, _population: Population, name: str, _lasts_s: float) -> Bite:
    """kill -9, and started again at once, as a supervisor does."""
    old, at = ground.pid(name), time.monotonic()
    code = await ground.kill(name)
    await ground.revive(name)
    new = ground.pid(name)
    is_proven = code == -signal.SIGKILL and new != old
    return Bite(f"pid {old} to {new}" if is_proven else "", at)


async def restart(ground: Ground, _population: Population, name: str, _lasts_s: float) -> Bite:
    """SIGTERM, and started again when it has gone; a role that does not end cleanly fails the run."""
    old, at = ground.pid(name), time.monotonic()
    await ground.stop(name)
    await ground.revive(name)
    new = ground.pid(name)
    return Bite(f"pid {old} to {new}" if new != old else "", at)


async def freeze(ground: Ground, _population: Population, name: str, lasts_s: float) -> Bite:
    """SIGSTOP, later SIGCONT."""
    ground.send(name, signal.SIGSTOP)
    await asyncio.sleep(lasts_s)
    state = ground.state(name)
    ground.send(name, signal.SIGCONT)
    return Bite(f"state {state} for {lasts_s:.1f} s" if state == "T" else "", time.monotonic())


async def cut(ground: Ground, _population: Population, link: str, lasts_s: float) -> Bite:
    """Connections end, and new ones are not taken."""
    way = ground.links[link]
    before = way.ended
    way.cut()
    await bitten(lambda: way.ended > before, lasts_s)
    way.mend()
    ended = way.ended - before
    return Bite(f"{ended} connections ended" if ended else "", time.monotonic())


async def half_open(ground: Ground, _population: Population, link: str, lasts_s: float) -> Bite:
    """Connections stay, and nothing gets through."""
    return await _blocked(ground, link, lasts_s, ground.links[link].half_open)


async def deaf(ground: Ground, _population: Population, link: str, lasts_s: float) -> Bite:
    """One way: nothing reaches the target; what it says gets through."""
    return await _blocked(ground, link, lasts_s, lambda: ground.links[link].one_way(there=True))


async def dumb(ground: Ground, _population: Population, link: str, lasts_s: float) -> Bite:
    """One way: the target hears everything, and its answers do not come back."""
    return await _blocked(ground, link, lasts_s, lambda: ground.links[link].one_way(there=False))


async def slow(ground: Ground, _population: Population, link: str, lasts_s: float) -> Bite:
    """Whatever is said takes 300 ms longer."""
    way = ground.links[link]
    before = way.delayed_bytes
    way.slow(0.3)
    await bitten(lambda: way.delayed_bytes > before, lasts_s)
    way.mend()
    late = way.delayed_bytes - before
    return Bite(f"{late} bytes late" if late else "", time.monotonic())


async def herd(ground: Ground, _population: Population, link: str, _lasts_s: float) -> Bite:
    """All devices of a gateway lose their connections at once, and come back at once."""
    way = ground.links[link]
    before = way.ended
    way.cut()
    way.mend()
    ended = way.ended - before
    return Bite(f"{ended} connections ended" if ended > 1 else "", time.monotonic())


async def clock_ahead(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """The process's wall clock jumps ahead by an hour, and back."""
    return await _jumped(ground, population, name, lasts_s, JUMP_S)


async def clock_behind(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """The process's wall clock jumps back by an hour, and ahead."""
    return await _jumped(ground, population, name, lasts_s, -JUMP_S)


_NO_ROW = logged_row(b"\xff no row", b"\0nobody", bytes(12), 0, 1 << 50, False, "")


async def poison(ground: Ground, _population: Population, _name: str, _lasts_s: float) -> Bite:
    """Messages that are no envelopes, and envelopes whose event is none, in every shard."""
    client = await nats.connect(ground.nats.url)
    try:
        stream = client.jetstream()
        before = await _dead_letters(client)
        wanted = 0
        for lane in LANES:
            for shard in shards_of_lane(lane, SHARDS):
                for payload in (b"no envelope", seal_envelope(uuid4().bytes, [_NO_ROW])):
                    await stream.publish(subject_of(shard), payload)
                    wanted += 1
        at = time.monotonic()
        buried = 0
        while buried < wanted and time.monotonic() < at + BITE_WITHIN_S:
            await asyncio.sleep(0.1)
            buried = await _dead_letters(client) - before
    finally:
        await client.close()
    return Bite(f"{buried} dead letters" if buried >= wanted else "", at)


async def _dead_letters(client: Client) -> int:
    try:
        return int((await client.jetstream().stream_info("RENO_DEAD")).state.messages)
    except NotFoundError:
        return 0


async def _blocked(ground: Ground, link: str, lasts_s: float, block: Callable[[], None]) -> Bite:
    way = ground.links[link]
    before = way.blocked_bytes
    block()
    await bitten(lambda: way.blocked_bytes > before, lasts_s)
    way.mend()
    held = way.blocked_bytes - before
    return Bite(f"{held} bytes held back" if held else "", time.monotonic())


async def _jumped(
    ground: Ground, population: Population, name: str, lasts_s: float, offset_s: float
) -> Bite:
    clock = ground.directory / f"{name}.clock"
    before = population.clock_marks()
    set_clock(clock, offset_s)
    await bitten(lambda: population.clock_marks() > before, lasts_s)
    set_clock(clock, 0.0)
    marks = population.clock_marks() - before
    return Bite(f"{marks} answers by the wrong clock" if marks else "", time.monotonic())


STRIKES: dict[str, Strike] = {
    "kill": kill,
    "restart": restart,
    "freeze": freeze,
    "cut": cut,
    "half-open": half_open,
    "deaf": deaf,
    "dumb": dumb,
    "slow": slow,
    "herd": herd,
    "crash": crash,
    "rolling": rolling,
    "power-loss": power_loss,
    "full-log": full_log,
    "full-disk": full_disk,
    "disk-refuses": no_growth,
    "clock-ahead": clock_ahead,
    "clock-behind": clock_behind,
    "poison": poison,
}


def targets(ground: Ground, strike: str) -> list[str]:
    """What each can strike now; empty where the shape has nothing of the kind."""
    has_files = not ground.shape.has_cassandra
    chosen: dict[str, list[str]] = {
        "kill": ground.names,
        "freeze": ground.names,
        "restart": ground.names,
        "herd": ground.layout.device_links,
        # One processor of several would leave its shards to the others.
        "full-log": ["processor-low" if has_files else CASSANDRA],
        "full-disk": list(ground.disks),
        "disk-refuses": [*ground.log_servers, *(ground.processors if has_files else ())],
        "crash": crash_targets(ground),
        "rolling": ["-"],
        "power-loss": ground.processors if ground.shape.disk == "ext4" and has_files else [],
        "clock-ahead": [*ground.layout.doors, *ground.gateways],
        "clock-behind": [*ground.layout.doors, *ground.gateways],
        "poison": ["-"],
    }
    # A way that nobody goes would show nothing.
    used = [link for link, way in ground.links.items() if way.is_used]
    return chosen.get(strike, used)
