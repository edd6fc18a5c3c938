"""A member's key, and the shard that it gives."""

from collections.abc import Iterable

from xxhash import xxh3_64_intdigest, xxh3_128_digest

NO_TENANT = ""
"""Tenants do not exist yet, but every stored key begins with one."""

IDENTITY_BYTES = 12


def member_key(tenant: str, member_id: str) -> bytes:
    """What the member's rows begin with; ids are visible ASCII, so the zero byte separates."""
    return f"{tenant}\0{member_id}".encode()


def names_member(key: bytes) -> bool:
    """There is a member behind the tenant."""
    return name_members([key])


def name_members(keys: Iterable[bytes]) -> bool:
    """names_member of each."""
    return -1 not in [key.find(b"\0", 0, -1) for key in keys]


def shard_of(key: bytes, shards: int) -> int:
    """The shard of a member in a lane with so many shards."""
    return shards_of([key], shards)[0]


def shards_of(keys: Iterable[bytes], shards: int) -> list[int]:
    """shard_of each."""
    return [xxh3_64_intdigest(key) % shards for key in keys]


def member_keys(tenant: str, member_ids: Iterable[str]) -> list[bytes]:
    """member_key of each."""
    start = f"{tenant}\0"
    return [(start + member_id).encode() for member_id in member_ids]


def event_identity(tenant: str, source: str, member_id: str, event_id: str) -> bytes:
    """12 bytes of xxh3_128: with 90 million ids in a window a false match is less likely than 10^-13."""
    return event_identities(tenant, source, [member_id], [event_id])[0]


def event_identities(
    tenant: str, source: str, member_ids: Iterable[str], event_ids: Iterable[str]
) -> list[bytes]:
    """event_identity of each event."""
    start = f"{tenant}\0{source}\0"
    return [
        xxh3_128_digest(f"{start}{member_id}\0{event_id}".encode())[:IDENTITY_BYTES]
        for member_id, event_id in zip(member_ids, event_ids, strict=True)
    ]
