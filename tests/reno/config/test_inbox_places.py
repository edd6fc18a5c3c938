"""Where a lane's inbox is: all of it at one address, or every shard exactly once."""

import pytest

from reno.config.inbox_places import InboxPlace, parse_places, shard_count
from reno.config.settings import InboxSettings
from reno.domain.priority import Priority
from reno.domain.shard_set import ALL_SHARDS, parse_shards


def test_one_address_has_all_whatever_their_number() -> None:
    places = parse_places("inbox.reno:7413")
    assert places == (InboxPlace(ALL_SHARDS, "inbox.reno:7413"),)
    assert shard_count(places) is None


def test_several_share_the_lane() -> None:
    places = parse_places("0-1=a:1  2,4=b:2 3=c:3")
    assert [place.address for place in places] == ["a:1", "b:2", "c:3"]
    assert shard_count(places) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:1 b:2",
        "0=a:1 b:2",
        "0-1=a:1 1-2=b:2",
        "0=a:1 2=b:2",
        "1=a:1",
        "x=a:1",
        "0=a",
    ],
)
def test_a_shard_without_one_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_places(text)
    with pytest.raises(ValueError, match="high"):
        InboxSettings(high=text)


def test_a_processor_finds_the_address_of_its_shards() -> None:
    settings = InboxSettings(low="0-1=a:1 2-3=b:2")
    assert settings.address(Priority.LOW, parse_shards("3,2")) == "b:2"
    with pytest.raises(ValueError, match="no address for shards all"):
        settings.address(Priority.LOW)
