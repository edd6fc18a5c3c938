"""Strikes that end processes at a chosen place, or all of them in turn."""

import asyncio
import random
import signal
import time
from collections import Counter

from tests.faults.bite import BITE_WITHIN_S, Bite
from tests.faults.fail_points import POINTS, points_of
from tests.faults.ground import Ground, wait_until
from tests.faults.layout import CASSANDRA
from tests.faults.population import Population

WITNESS = "witness"


async def crash(ground: Ground, _population: Population, target: str, lasts_s: float) -> Bite:
    """NAME@POINT: the process dies there, at a passing that the seed chooses, and is started again when its supervisor sees it."""
    name, _, where = target.partition("@")
    point, file = POINTS[where], ground.layout.points[name]
    died, old = ground.died[name], ground.pid(name)
    passing = random.Random(lasts_s).randint(1, point.most)
    file.arm(where, passing)
    if point.at_start:
        await ground.kill(name)
        await ground.revive(name)
    await wait_until(lambda: file.died_at(where), BITE_WITHIN_S)
    at = time.monotonic()
    file.disarm()
    if not file.died_at(where):
        return Bite("", at)
    await wait_until(lambda: ground.died[name] > died, BITE_WITHIN_S)
    ground.died[name] -= 1
    return Bite(f"died at passing {passing}, pid {old} to {ground.pid(name)}", at)


def crash_targets(ground: Ground) -> list[str]:
    """Every point of every process."""
    engine = "cassandra" if ground.shape.has_cassandra else "embedded"
    return [
        f"{name}@{point}"
        for name in ground.members
        for point in points_of(name.partition("-")[0], engine)
    ]


def passings(ground: Ground) -> dict[str, int]:
    """How often each point was passed, by its name."""
    passed: Counter[str] = Counter()
    for target in crash_targets(ground):
        name, _, point = target.partition("@")
        passed[point] += ground.layout.points[name].passed(point)
    return dict(passed)


async def power_loss(ground: Ground, _population: Population, name: str, lasts_s: float) -> Bite:
    """A processor stands still, so that the log alone has what was acknowledged; then everything does, what the disks were not given yet is lost, and all start again from what they have."""
    ground.send(name, signal.SIGSTOP)
    await asyncio.sleep(lasts_s)
    disks = ground.disks.values()
    for disk in disks:
        # That nobody syncs, so it must be gone.
        (disk.inside / WITNESS).write_bytes(bytes(4096))
    for each in ground.names:
        ground.send(each, signal.SIGSTOP)
    for disk in disks:
        disk.lose_power()
    for each in ground.names:
        await ground.kill(each)
    for disk in disks:
        await asyncio.to_thread(disk.repair)
    at = time.monotonic()
    witnesses = [disk.inside / WITNESS for disk in disks]
    gone = [not file.exists() or file.stat().st_size == 0 for file in witnesses]
    for each in (*ground.servers, *ground.members):
        await ground.revive(each)
    return Bite(f"{len(gone)} disks without what was not synced" if all(gone) else "", at)


async def rolling(ground: Ground, _population: Population, _name: str, _lasts_s: float) -> Bite:
    """Every role and server in turn: its orderly end, started again, and the next one when it works. Not a single Cassandra node: there is no other one meanwhile."""
    before = {name: ground.pid(name) for name in ground.names if name != CASSANDRA}
    for name in before:
        await ground.stop(name)
        await ground.revive(name)
        if name in ground.members:
            await ground.members[name].ready()
    new = sum(ground.pid(name) != pid for name, pid in before.items())
    return Bite(f"{new} new processes" if new == len(before) else "", time.monotonic())
