"""Checks the numbers that docs/capacity.md counts with at 100 million devices, by measuring the real parts at a size that fits here.

    .venv/bin/python -m bench.simulate [--sessions 1000000] [--gateways 1000] [--members 2000000]

presence   the real LeaseTable is filled with that many sessions from serialised AttachRequests, two devices a member, UUIDs as ids; memory is the least-squares
           slope of the process's resident bytes over eight sizes, so it extrapolates linearly. Look-ups and learning are CPU time of this process, gRPC left out.
shards     members through the real shard_of; events by a log-normal activity of members (assumed), beside what chance alone gives.
sizes      bytes of an event of 100 bytes of payload at each hop, from the code that writes them.
deliver    Deliver calls of the real client to a real gRPC server, both in this process: CPU of the two together.
"""

import argparse
import asyncio
import json
import platform

from bench import deliver_cost, presence_scale, shard_balance, sizes

SHARDS = (4, 16, 64, 256, 1024)
PAYLOAD_BYTES = 100


def measure(sessions: int, gateways: int, members: int, calls: int) -> dict[str, object]:
    """Every figure is of this machine, one process."""
    return {
        "python": platform.python_version(),
        "presence": presence_scale.measure(sessions, gateways),
        "shards": shard_balance.measure(members, SHARDS),
        "sizes_bytes": sizes.measure(PAYLOAD_BYTES),
        "deliver": asyncio.run(deliver_cost.measure(calls)),
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--gateways", type=int, default=1000)
    parser.add_argument("--members", type=int, default=2_000_000)
    parser.add_argument("--calls", type=int, default=8000)
    chosen = parser.parse_args()
    found = measure(chosen.sessions, chosen.gateways, chosen.members, chosen.calls)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
