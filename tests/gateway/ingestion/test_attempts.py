import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.attempts import LONGEST_PAUSE_S, Failure, pause_s, verdict_of
from reno.domain.reason import Reason

FULL, ABSENT, UNCONFIRMED = Failure.FULL, Failure.ABSENT, Failure.UNCONFIRMED


@pytest.mark.parametrize(
    ("failure", "may_be_stored", "left_s", "verdict"),
    [
        (FULL, False, 1.0, Reason.FULL),
        (FULL, False, 0.0, Reason.FULL),
        (FULL, True, 1.0, None),
        (FULL, True, 0.0, Reason.UNCERTAIN),
        (ABSENT, False, 1.0, None),
        (ABSENT, False, 0.0, Reason.NOT_READY),
        (ABSENT, True, 1.0, None),
        (ABSENT, True, -1.0, Reason.UNCERTAIN),
        (UNCONFIRMED, True, 0.001, None),
        (UNCONFIRMED, True, 0.0, Reason.UNCERTAIN),
    ],
)
def test_what_follows_a_failed_attempt(
    failure: Failure, may_be_stored: bool, left_s: float, verdict: Reason | None
) -> None:
    assert verdict_of(failure, may_be_stored=may_be_stored, left_s=left_s) is verdict


@given(st.integers(1, 10_000), st.floats(-1, 100))
def test_pauses_are_bounded(failures: int, left_s: float) -> None:
    assert 0 <= pause_s(failures, left_s) <= min(LONGEST_PAUSE_S, max(left_s, 0))
