import pytest

from presence.lease_table import LeaseTable, PresenceState
from reno.domain.member import member_key
from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable, WrongState
from reno.ports import GatewayAddress, SessionPlace
from reno.v1.presence_service_pb2 import PresenceState as PresenceStateProto

LEASE_MS = 1000


def gateway(epoch: int = 1, name: str = "g1") -> GatewayAddress:
    return GatewayAddress(name, epoch, f"{name}:7411")


def place(number: int, member: str = "anna", device: str = "tv-1") -> SessionPlace:
    return SessionPlace(number, "", member, device, "tv")


def table(max_sessions: int = 100) -> LeaseTable:
    return LeaseTable(lease_ms=LEASE_MS, max_sessions=max_sessions, now_ms=0)


def seen(of: LeaseTable, now_ms: int, member: str = "anna") -> tuple[PresenceState, list[int]]:
    # Looked at in small steps, as a replica that is awake does.
    [(state, sessions)] = of.lookup([member_key("", member)], now_ms)
    return state, [session.number for session in sessions]


def pass_time(of: LeaseTable, from_ms: int, to_ms: int) -> None:
    for now_ms in range(from_ms, to_ms + 1, LEASE_MS // 4):
        of.expire(now_ms)


def test_the_states_are_the_contracts() -> None:
    for state in PresenceState:
        assert PresenceStateProto.Name(state) == f"PRESENCE_STATE_{state.name}"  # type: ignore[arg-type]


def test_truthful_a_young_replica_says_unknown_not_offline() -> None:
    leases = table()
    pass_time(leases, 0, 750)
    assert seen(leases, 999) == (PresenceState.UNKNOWN, [])
    assert seen(leases, 1000) == (PresenceState.OFFLINE, [])


def test_truthful_a_replica_that_slept_says_unknown_and_serves_no_ended_lease() -> None:
    leases = table()
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 0, began=[place(1)], snapshot_complete=True)
    assert seen(leases, 0) == (PresenceState.ONLINE, [1])
    assert seen(leases, 5000) == (PresenceState.UNKNOWN, [])
    pass_time(leases, 5000, 6000)
    assert seen(leases, 6000) == (PresenceState.OFFLINE, [])


def test_a_break_keeps_all_sessions_until_the_lease_ends_and_then_none() -> None:
    leases = table()
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 500, began=[place(1), place(2, "ben")], snapshot_complete=True)
    pass_time(leases, 500, 1250)
    assert seen(leases, 1499) == (PresenceState.ONLINE, [1])
    assert seen(leases, 1499, "ben") == (PresenceState.ONLINE, [2])
    assert seen(leases, 1500) == (PresenceState.OFFLINE, [])
    assert seen(leases, 1500, "ben") == (PresenceState.OFFLINE, [])
    assert leases.take_lapsed() == [(gateway(), 2)]
    assert leases.take_lapsed() == []
    with pytest.raises(Unavailable, match="attach again"):
        leases.change(attachment, 1501, began=[place(3)])
    assert leases.sessions == 0


def test_goodbye_ends_all_at_once() -> None:
    leases = table()
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 0, began=[place(1), place(2)])
    leases.change(attachment, 1, goodbye=True)
    assert seen(leases, 1) == (PresenceState.UNKNOWN, [])
    assert (leases.sessions, leases.gateways) == (0, 0)


def test_a_newer_epoch_ends_the_olders_sessions_and_fences_it() -> None:
    leases = table()
    old = leases.hello(gateway(1), 0)
    leases.change(old, 0, began=[place(1)], snapshot_complete=True)
    new = leases.hello(gateway(2), 1)
    assert seen(leases, 1)[1] == []
    leases.change(new, 2, began=[place(1, device="tv-2")])
    for action in (
        lambda: leases.change(old, 3, ended=[1]),
        lambda: leases.change(old, 3, goodbye=True),
        lambda: leases.hello(gateway(1), 3),
    ):
        with pytest.raises(WrongState) as refused:
            action()
        assert refused.value.reason is Reason.FENCED
    assert seen(leases, 4)[1] == [1]
    pass_time(leases, 4, 1004)
    leases.hello(gateway(1), 1004)


def test_a_snapshot_ends_what_it_does_not_name() -> None:
    leases = table()
    first = leases.hello(gateway(), 0)
    leases.change(first, 0, began=[place(1), place(2), place(3, "ben")], snapshot_complete=True)
    second = leases.hello(gateway(), 100)
    leases.change(second, 101, began=[place(2), place(4)])
    assert seen(leases, 101)[1] == [1, 2, 4]
    leases.change(second, 102, snapshot_complete=True)
    assert seen(leases, 102)[1] == [2, 4]
    assert seen(leases, 102, "ben")[1] == []
    with pytest.raises(Unavailable, match="newer stream"):
        leases.change(first, 103, ended=[2])
    with pytest.raises(Unavailable, match="newer stream"):
        leases.change(first, 103, goodbye=True)
    assert seen(leases, 103)[1] == [2, 4]


def test_snapshots_that_never_complete_keep_no_ghosts() -> None:
    leases = table()
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 0, began=[place(1)], snapshot_complete=True)
    for now_ms in range(100, 1100, 100):
        attachment = leases.hello(gateway(), now_ms)
        leases.change(attachment, now_ms, began=[place(2)])
    assert seen(leases, 1099)[1] == [1, 2]
    assert seen(leases, 1100)[1] == [2]


def test_the_end_of_an_older_session_leaves_the_newer_one_of_the_device() -> None:
    leases = table()
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 0, began=[place(1)])
    leases.change(attachment, 1, began=[place(2)])
    leases.change(attachment, 2, ended=[1])
    leases.change(attachment, 3, ended=[1])
    assert seen(leases, 3) == (PresenceState.ONLINE, [2])
    leases.change(attachment, 4, began=[place(3)], ended=[3])
    assert seen(leases, 4)[1] == [2]


def test_a_device_on_two_gateways_stands_twice() -> None:
    leases = table()
    for name in ("g1", "g2"):
        attachment = leases.hello(gateway(name=name), 0)
        leases.change(attachment, 0, began=[place(7)])
    [(state, sessions)] = leases.lookup([member_key("", "anna")], 1)
    assert state is PresenceState.ONLINE
    assert [session.gateway.gateway_id for session in sessions] == ["g1", "g2"]


def test_bounded_a_full_replica_refuses_and_takes_more_when_room_came() -> None:
    leases = table(max_sessions=2)
    attachment = leases.hello(gateway(), 0)
    leases.change(attachment, 0, began=[place(1), place(2)])
    with pytest.raises(TryLater) as refused:
        leases.change(attachment, 1, began=[place(3)])
    assert refused.value.reason is Reason.FULL
    assert refused.value.retry_after_s == LEASE_MS / 1000
    leases.change(attachment, 2, began=[place(1), place(3)], ended=[2])
    assert seen(leases, 2)[1] == [1, 3]


def test_truthful_while_a_gateway_still_names_its_sessions_nobody_is_said_to_be_offline() -> None:
    leases = table()
    pass_time(leases, 0, 1000)
    attachment = leases.hello(gateway(), 1000)
    leases.change(attachment, 1000, began=[place(1)])
    pass_time(leases, 1000, 1500)
    assert seen(leases, 1500, "ben") == (PresenceState.UNKNOWN, [])
    leases.change(attachment, 1600, began=[place(2, "ben")], snapshot_complete=True)
    assert seen(leases, 1700, "ben")[0] is PresenceState.ONLINE
    assert seen(leases, 1700, "carl") == (PresenceState.OFFLINE, [])
