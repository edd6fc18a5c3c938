"""The faults: each strikes, heals, and says by what it has shown that it bit."""

import asyncio
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from reno.wire.envelope import seal_envelope
from tests.faults.ground import NATS, Ground, wait_until
from tests.faults.launcher import set_clock
from tests.faults.population import Population
from tests.faults.traffic import LANE_WORDS, SHARDS

BITE_WITHIN_S = 20.0
JUMP_S = 3660.0
"""An hour, and longer than the oldest that a door takes."""


@dataclass(slots=True)
class Bite:
    """`proof` is empty where nothing shows that the fault had an effect. `healed_at`: monotonic; what recovery is counted from."""

    proof: str
    healed_at: float


Strike = Callable[[Ground, Population, str, float], Awaitable[Bite]]
"""With its target, and how many seconds it lasts where it lasts."""


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
    await _bitten(lambda: way.ended > before, lasts_s)
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
    await _bitten(lambda: way.delayed_bytes > before, lasts_s)
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


async def full(ground: Ground, population: Population, name: str, _lasts_s: float) -> Bite:
    """A lane's processor stands still until the log takes no more of its events."""
    counts = population.counts
    before = counts()["FULL"]
    ground.send(name, signal.SIGSTOP)
    await wait_until(lambda: counts()["FULL"] > before, BITE_WITHIN_S)
    ground.send(name, signal.SIGCONT)
    refused = counts()["FULL"] - before
    return Bite(f"{refused} events refused as FULL" if refused else "", time.monotonic())


async def disk(ground: Ground, _population: Population, name: str, _lasts_s: float) -> Bite:
    """The processor's files may not grow any more (RLIMIT_FSIZE): every write of the inbox fails, until it gives up and is started again."""
    died = ground.died[name]
    size = ground.members[name].log.stat().st_size + (64 << 10)
    # Its own log may still be written for a while; the inbox writes far more.
    resource.prlimit(ground.pid(name), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    at = time.monotonic()
    has_died = await wait_until(lambda: ground.died[name] > died, BITE_WITHIN_S)
    if not has_died:
        resource.prlimit(
            ground.pid(name),
            resource.RLIMIT_FSIZE,
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        )
    else:
        ground.died[name] -= 1
    return Bite("gave up and was started again" if has_died else "", at)


async def clock_ahead(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """The process's wall clock jumps ahead by an hour, and back."""
    return await _jumped(ground, population, name, lasts_s, JUMP_S)


async def clock_behind(ground: Ground, population: Population, name: str, lasts_s: float) -> Bite:
    """The process's wall clock jumps back by an hour, and ahead."""
    return await _jumped(ground, population, name, lasts_s, -JUMP_S)


async def poison(ground: Ground, _population: Population, _name: str, _lasts_s: float) -> Bite:
    """Messages that are no envelopes, and envelopes whose event is none, in every shard."""
    client = await nats.connect(ground.nats.url)
    try:
        stream = client.jetstream()
        before = await _dead_letters(client)
        wanted = 0
        for word in LANE_WORDS.values():
            for shard in range(SHARDS):
                for payload in (b"no envelope", seal_envelope(bytes(range(16)), [b"\xff no row"])):
                    await stream.publish(f"reno.events.{word}.{shard}", payload)
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
    await _bitten(lambda: way.blocked_bytes > before, lasts_s)
    way.mend()
    held = way.blocked_bytes - before
    return Bite(f"{held} bytes held back" if held else "", time.monotonic())


async def _bitten(has_bitten: Callable[[], bool], lasts_s: float) -> None:
    """At least so long, and on a machine that has little time for it until there was an effect."""
    await asyncio.sleep(lasts_s)
    await wait_until(has_bitten, BITE_WITHIN_S)


async def _jumped(
    ground: Ground, population: Population, name: str, lasts_s: float, offset_s: float
) -> Bite:
    clock = ground.directory / f"{name}.clock"
    before = population.clock_marks()
    set_clock(clock, offset_s)
    await _bitten(lambda: population.clock_marks() > before, lasts_s)
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
    "full-log": full,
    "disk-refuses": disk,
    "clock-ahead": clock_ahead,
    "clock-behind": clock_behind,
    "poison": poison,
}


def targets(ground: Ground, strike: str) -> list[str]:
    """What each can strike; never empty."""
    roles = list(ground.members)
    chosen: dict[str, list[str]] = {
        "kill": [*roles, NATS],
        "freeze": [*roles, NATS],
        "restart": [*roles, NATS],
        "herd": [link for link in ground.links if link.startswith("devices>")],
        "full-log": ["processor-low"],
        "disk-refuses": [name for name in roles if name.startswith("processor")],
        "clock-ahead": ["ingestion", *ground.gateways],
        "clock-behind": ["ingestion", *ground.gateways],
        "poison": ["-"],
    }
    return chosen.get(strike, list(ground.links))
