"""A member's key, shard and event identities are stored: their values may never change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.domain.identity import Device
from reno.domain.member import (
    IDENTITY_BYTES,
    event_identities,
    event_identity,
    member_key,
    member_keys,
    shard_of,
)

IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@given(IDS)
def test_a_key_begins_with_the_empty_tenant(member_id: str) -> None:
    assert member_key("", member_id) == b"\0" + member_id.encode("ascii")


@given(IDS, IDS, IDS, IDS)
def test_two_members_never_share_a_key(
    tenant: str, member: str, other_tenant: str, other: str
) -> None:
    same = (tenant, member) == (other_tenant, other)
    assert (member_key(tenant, member) == member_key(other_tenant, other)) == same


@given(IDS, IDS, st.lists(st.tuples(IDS, IDS), max_size=5))
def test_many_are_as_each_by_itself(
    tenant: str, source: str, events: list[tuple[str, str]]
) -> None:
    members, ids = [member for member, _ in events], [event_id for _, event_id in events]
    assert member_keys(tenant, members) == [member_key(tenant, member) for member in members]
    assert event_identities(tenant, source, members, ids) == [
        event_identity(tenant, source, member, event_id) for member, event_id in events
    ]


@given(IDS, st.integers(1, 1024))
def test_a_shard_is_one_of_the_streams(member_id: str, shards: int) -> None:
    assert 0 <= shard_of(member_key("", member_id), shards) < shards


@pytest.mark.parametrize(
    ("member_id", "of_4", "of_1024"),
    [
        ("anna", 0, 276),
        ("ben", 1, 589),
        ("carla", 1, 109),
        ("m-1", 0, 452),
        ("!", 0, 200),
        ("~" * 128, 0, 492),
    ],
)
def test_shards_never_change(member_id: str, of_4: int, of_1024: int) -> None:
    key = member_key("", member_id)
    assert (shard_of(key, 4), shard_of(key, 1024)) == (of_4, of_1024)


@pytest.mark.parametrize(
    ("parts", "identity"),
    [
        (("", "billing", "anna", "e-1"), "5d6d9b6b11b390f67224d915"),
        (("", "billing", "anna", "e-2"), "deefd7518ceee07d6f1dffd7"),
        (("", "billing", "ben", "e-1"), "956aeaa76399d4be4029630b"),
        (("", "plans", "anna", "e-1"), "0dc2ca0f40ce291f5621a391"),
    ],
)
def test_identities_never_change(parts: tuple[str, str, str, str], identity: str) -> None:
    assert event_identity(*parts).hex() == identity


@given(st.tuples(IDS, IDS, IDS), st.tuples(IDS, IDS, IDS))
def test_identities_tell_events_apart(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    """Once: a repeat is known by (tenant, source, member, event id), and by nothing less."""
    first, second = event_identity("", *one), event_identity("", *other)
    assert len(first) == len(second) == IDENTITY_BYTES
    assert (first == second) == (one == other)


def test_a_device_has_its_members_key() -> None:
    assert Device("", "anna", "tv-1", "tv").member_key == member_key("", "anna")
