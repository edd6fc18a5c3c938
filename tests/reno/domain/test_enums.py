"""The domain's enums are the contract's, without protobuf."""

from enum import IntEnum
from typing import Any

import pytest

from reno.domain.outcome import Outcome
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.v1 import event_pb2, outcome_pb2, reason_pb2


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Priority, event_pb2.Priority, "PRIORITY_"),
        (Reason, reason_pb2.Reason, "REASON_"),
        (Outcome, outcome_pb2.Outcome, "OUTCOME_"),
    ],
)
def test_same_names_and_numbers_as_the_contract(
    ours: type[IntEnum], theirs: Any, prefix: str
) -> None:
    numbers = dict(theirs.items())
    assert numbers.pop(f"{prefix}UNSPECIFIED") == 0
    assert {f"{prefix}{member.name}": member.value for member in ours} == numbers


def test_lanes_are_served_high_first() -> None:
    assert [lane.word for lane in LANES] == ["high", "medium", "low"]
    assert set(LANES) == set(Priority)
