import grpc
from hypothesis import given
from hypothesis import strategies as st

from reno.cli.reconnecting import FIRST_DELAY_S, LONGEST_DELAY_S, Next, after, delay_s

luck = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), luck)
def test_delays_are_bounded(failures: int, luck: float) -> None:
    assert FIRST_DELAY_S / 2 <= delay_s(failures, luck) <= LONGEST_DELAY_S


@given(st.integers(1, 10_000), luck)
def test_delays_grow(failures: int, luck: float) -> None:
    assert delay_s(failures, luck) <= delay_s(failures + 1, luck)


def test_every_status_has_a_next() -> None:
    assert after(grpc.StatusCode.ABORTED) is Next.REPLACED
    give_up = {code for code in grpc.StatusCode if after(code) is Next.GIVE_UP}
    assert grpc.StatusCode.UNAUTHENTICATED in give_up
    assert grpc.StatusCode.INVALID_ARGUMENT in give_up
    assert grpc.StatusCode.PERMISSION_DENIED in give_up
    assert after(grpc.StatusCode.UNAVAILABLE) is Next.COME_BACK
    assert after(grpc.StatusCode.RESOURCE_EXHAUSTED) is Next.COME_BACK


@given(st.integers(1, 10_000), luck)
def test_nobody_comes_back_before_the_server_said(failures: int, luck: float) -> None:
    assert delay_s(failures, luck, 60.0) == 60.0
    assert delay_s(failures, luck, 0.0) == delay_s(failures, luck)
