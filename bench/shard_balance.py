"""How evenly member ids fall on shards: the real shard_of, and what chance alone would give."""

import math
import random
from collections.abc import Sequence
from itertools import islice

from bench.presence_scale import member_ids
from reno.domain.member import member_key, shard_of

SKEW = 1.5
"""The sigma of the log-normal by which members differ in events; assumed: the busiest hundredth then makes a fifth of all events."""


def measure(members: int, shard_counts: Sequence[int]) -> list[dict[str, float]]:
    """For each number of shards: members and events of the fullest shard over the mean."""
    keys = [member_key("", one) for one in islice(member_ids(), members)]
    rng = random.Random(1)
    weights = [rng.lognormvariate(0, SKEW) for _ in keys]
    total = sum(weights)
    found = []
    for shards in shard_counts:
        counts, loads = [0] * shards, [0.0] * shards
        for key, weight in zip(keys, weights, strict=True):
            shard = shard_of(key, shards)
            counts[shard] += 1
            loads[shard] += weight
        found.append(
            {
                "shards": shards,
                "members": members,
                "members_max_over_mean": round(max(counts) * shards / members, 4),
                "members_by_chance": round(by_chance(members, shards), 4),
                "members_by_chance_at_100_million": round(by_chance(100_000_000, shards), 4),
                "events_max_over_mean": round(max(loads) * shards / total, 4),
            }
        )
    return found


def by_chance(members: int, shards: int) -> float:
    """The fullest of `shards` bins over the mean, when members fall at random: 1 + sqrt(2 ln(shards) / members a shard)."""
    return 1 + math.sqrt(2 * math.log(shards) * shards / members)
