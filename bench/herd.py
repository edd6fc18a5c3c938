"""A herd: a gateway goes, and all its devices come to the other one at once, while that one's own devices are told high-priority events.

    .venv/bin/python -m bench.herd [--devices 5000] [--seconds 10]

A real `reno up` with two gateways; devices connect to them directly, many streams a connection, from processes on the same cores. Once the gateway is killed (kill -9), once
it drains (SIGTERM). Times until so many of its devices have their first frame, and until they were told that they are current.
"""

import argparse
import asyncio
import json
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import grpc

from bench.devices import Away, devices_away, member_of
from bench.steady import Steady, at_share, delays
from bench.system import System, running

PROCESSES = 2
NEIGHBOURS = 50
HIGH_PER_S = 100
ALL_BACK_WITHIN_S = 30.0
SETTLE_S = 3.0
SHARES = (0.5, 0.99, 1.0)


async def measure(
    system: System, count: int, seconds: float, how: signal.Signals
) -> dict[str, object]:
    """One gateway's end; afterwards it is there again."""
    doors = [system.address("devices-door"), system.address("devices-door-2")]
    async with (
        devices_away(doors[::-1], count, NEIGHBOURS) as [neighbours],
        devices_away(doors, 0, count, PROCESSES) as herd,
        Steady(
            system.address("ingestion"), lambda n: member_of(count + n % NEIGHBOURS), HIGH_PER_S
        ),
    ):
        await asyncio.sleep(SETTLE_S)
        before_s = time.monotonic()
        await asyncio.sleep(seconds)
        struck_s, cpu_s = time.monotonic(), system.cpu_s()
        os.kill(system.pids()["gateway-1"], how)
        await all_back(herd, count)
        after_cpu_s = system.cpu_s()
        await asyncio.sleep(SETTLE_S)
        told = await neighbours.end()
        seen = [await one.end() for one in herd]
    returns = [each for one in seen for each in one.returns]
    current = sorted(current_s - struck_s for _, _, current_s in returns)
    until_s = struck_s + current[-1]
    return {
        "devices": count,
        "back": len(returns),
        "streams_ended": sum((one.ends for one in seen), Counter()),
        "first_frame_s": at_shares((framed_s - struck_s for _, framed_s, _ in returns), count),
        "current_s": at_shares(current, count),
        "neighbours_streams_ended": told.ends,
        "high_before": delays(told.arrivals, before_s, struck_s),
        "high_meanwhile": delays(told.arrivals, struck_s, until_s),
        "cpu_s": {
            name: round(used - cpu_s[name], 2)
            for name, used in after_cpu_s.items()
            if name != "gateway-1" and name in cpu_s
        },
    }


def at_shares(values_s: Iterable[float], count: int) -> dict[str, float | None]:
    """By when so many of all were back; None: not within ALL_BACK_WITHIN_S."""
    ordered = sorted(values_s)
    return {
        f"{share:.0%}": at_share(ordered[: math.ceil(count * share)], 1.0)
        if len(ordered) >= count * share
        else None
        for share in SHARES
    }


async def all_back(herd: list[Away], count: int) -> None:
    """Or as many as are after that time."""
    ends_s = time.monotonic() + ALL_BACK_WITHIN_S
    while sum([await one.returned() for one in herd]) < count and time.monotonic() < ends_s:
        await asyncio.sleep(0.25)


async def until_there(system: System) -> None:
    """The gateway that went serves again."""
    async with (
        asyncio.timeout(ALL_BACK_WITHIN_S),
        grpc.aio.insecure_channel(system.address("devices-door")) as channel,
    ):
        await channel.channel_ready()


async def both(system: System, count: int, seconds: float) -> None:
    """Killed, then drained: prints each when it is known."""
    for word, how in (("killed", signal.SIGKILL), ("drained", signal.SIGTERM)):
        await until_there(system)
        load = os.getloadavg()
        found = await measure(system, count, seconds, how)
        print(json.dumps({word: {"load_before": load, **found}}, indent=2), flush=True)


def main() -> None:
    """Prints a JSON object for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    catalogue = Path(__file__).with_name("catalogue.toml")
    with running(catalogue, ("--mesh", "--gateways", "2")) as system:
        asyncio.run(both(system, chosen.devices, chosen.seconds))


if __name__ == "__main__":
    main()
