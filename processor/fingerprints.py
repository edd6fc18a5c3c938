"""Ids as tables know them: a group, and a print that is compared."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int64]
Prints = NDArray[np.uint64]

GROUPS = 1 << 11
_KEPT_BYTES = 10
"""Of an id: 11 bits choose its group, 64 are compared."""


class Fingerprints(NamedTuple):
    """Of many ids, in order."""

    groups: Indexes
    prints: Prints


def fingerprints(ids: bytes, count: int) -> Fingerprints:
    """Of so many ids of one length, joined."""
    table = np.frombuffer(ids, np.uint8).reshape(count, -1)
    groups = (table[:, 0].astype(np.int64) << 3) | (table[:, 1] >> 5)
    prints = np.ascontiguousarray(table[:, 2:_KEPT_BYTES]).view(np.uint64).ravel()
    return Fingerprints(groups, prints)
