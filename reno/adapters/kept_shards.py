"""Which members' rows an embedded inbox keeps."""

from dataclasses import dataclass

from reno.domain.member import shard_of
from reno.domain.reason import Reason
from reno.domain.shard_set import ShardSet
from reno.errors import WrongState


@dataclass(frozen=True, slots=True)
class KeptShards:
    """`owned` of the lane's `shards`."""

    owned: ShardSet
    shards: int

    def __contains__(self, number: int) -> bool:
        return 0 <= number < self.shards and number in self.owned

    def home(self, member_key: bytes) -> int:
        """The member's shard. Raises WrongState where it is not kept here."""
        shard = shard_of(member_key, self.shards)
        if shard not in self.owned:
            raise WrongState(
                Reason.NOT_READY,
                f"shard {shard} of {self.shards} is not kept here: {self.owned} are",
            )
        return shard
