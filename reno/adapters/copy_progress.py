"""How far a copy of an embedded inbox came, and how fast it may go on. Pure."""

import json
from dataclasses import asdict, dataclass, replace

FAMILIES = ("rows", "acknowledged", "journal")
"""What is copied, in this order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`looked_at` and `written` count keys of every family so far; what was there already, or is expired, is not written."""

    family: int = 0
    after: str = ""
    """The last key that is done, in hex."""
    looked_at: tuple[int, ...] = (0,) * len(FAMILIES)
    written: tuple[int, ...] = (0,) * len(FAMILIES)

    @property
    def is_done(self) -> bool:
        """Every family is."""
        return self.family == len(FAMILIES)

    @property
    def keys(self) -> int:
        """Looked at, of every family."""
        return sum(self.looked_at)

    def past(self, key: bytes, looked_at: int, written: int) -> "Progress":
        """After a chunk that ends with the key."""
        return replace(
            self,
            after=key.hex(),
            looked_at=_more(self.looked_at, self.family, looked_at),
            written=_more(self.written, self.family, written),
        )

    def next_family(self) -> "Progress":
        """After a family's last chunk."""
        return replace(self, family=self.family + 1, after="")

    def text(self) -> bytes:
        """For `parse`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, text: bytes) -> "Progress":
        """What `text` made."""
        found = json.loads(text)
        return cls(
            found["family"], found["after"], tuple(found["looked_at"]), tuple(found["written"])
        )


def pause_s(keys: int, elapsed_s: float, keys_per_s: float) -> float:
    """How long to wait, after so many keys in this time, to stay within the rate."""
    return max(0.0, keys / keys_per_s - elapsed_s)


def _more(counts: tuple[int, ...], index: int, by: int) -> tuple[int, ...]:
    return tuple(count + by if n == index else count for n, count in enumerate(counts))
