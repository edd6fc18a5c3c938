"""Which rows go to which gateway now, and what it is owed of before. Pure: the shell makes the calls and says how they ended."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reno.ports import DeliveryRow, GatewayAddress

MAX_DELIVER_BYTES = 2 * 1024 * 1024
"""Of one request."""

MAX_OWED_ROWS = 1024
MAX_OWED_BYTES = MAX_DELIVER_BYTES // 2
"""Of a gateway and shard; beyond either it is owed a resync."""

MAX_COURIERS = 4096
"""Gateways remembered for a shard; the one used longest ago is forgotten first."""

FORGET_AFTER = 12
"""Calls in a row without an answer until a gateway is forgotten; its sessions look for themselves meanwhile."""

_ROW_OVERHEAD_BYTES = 40
_REQUEST_OVERHEAD_BYTES = 64


@dataclass(slots=True, eq=False)
class Courier:
    """One gateway, as one shard knows it."""

    gateway: GatewayAddress
    # What was meant for it before this owner knew of it (a crashed owner, a failed look-up) cannot be known.
    resync: bool = True
    owed: list[DeliveryRow] = field(default_factory=list)
    """What may not have reached it, in order. What a row follows stays true however late it comes, so a session that has all that came before reads nothing for it."""
    suspect: bool = False
    """Its last call was late: the next one is waited for by nobody."""
    in_flight: bool = False
    unanswered: int = 0
    retry_at_s: float = 0.0

    def is_free(self, now_s: float) -> bool:
        """It can be called."""
        return not self.in_flight and now_s >= self.retry_at_s

    def owe(self, rows: Sequence[DeliveryRow], *, earlier: bool = False) -> None:
        """`earlier` than all that is owed, or later."""
        if self.resync:
            return
        self.owed = [*rows, *self.owed] if earlier else [*self.owed, *rows]
        owed_bytes = sum(len(row.row) for row in self.owed)
        if len(self.owed) > MAX_OWED_ROWS or owed_bytes > MAX_OWED_BYTES:
            self.owe_all()

    def owe_all(self) -> None:
        """All sessions of the shard read again."""
        self.resync = True
        self.owed = []


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Rows to hand to one gateway, now; in the background when it was late before."""

    courier: Courier
    rows: Sequence[DeliveryRow]
    resync: bool
    background: bool


class Couriers:
    """One shard's. One call in flight a gateway; what does not reach it is handed over again, or covered by a resync."""

    def __init__(self, retry_s: float, max_couriers: int = MAX_COURIERS) -> None:
        self._retry_s = retry_s
        self._max_couriers = max_couriers
        self._by_gateway: OrderedDict[GatewayAddress, Courier] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_gateway)

    @property
    def owing(self) -> bool:
        """Some gateway is owed something, or its call may yet fail: `plan` wants to be asked again after retry_s."""
        return any(
            courier.resync or courier.owed or courier.in_flight
            for courier in self._by_gateway.values()
        )

    def plan(
        self, rows_by_gateway: Mapping[GatewayAddress, Sequence[DeliveryRow]], now_s: float
    ) -> list[Dispatch]:
        """Every dispatch must be made, and its end told. Gateways that are owed something get it without new rows too. One that did not answer is called again after retry_s."""
        for gateway in self._live(rows_by_gateway):
            courier = self._by_gateway.setdefault(gateway, Courier(gateway))
            self._by_gateway.move_to_end(gateway)
            if not courier.is_free(now_s):
                courier.owe(rows_by_gateway[gateway])
        self._forget_unused()
        return [
            self._begin(courier, rows_by_gateway.get(gateway, ()))
            for gateway, courier in self._by_gateway.items()
            if courier.is_free(now_s)
            and (courier.resync or courier.owed or rows_by_gateway.get(gateway))
        ]

    def answered(self, dispatch: Dispatch, *, late: bool = False) -> None:
        """All of it was taken; `late`: nobody waited for it any more."""
        courier = dispatch.courier
        courier.in_flight, courier.suspect = False, late
        courier.unanswered = 0
        courier.retry_at_s = 0.0

    def unanswered(self, dispatch: Dispatch, now_s: float) -> None:
        """Some of it may not have arrived."""
        courier = dispatch.courier
        courier.in_flight = False
        courier.suspect = True
        if dispatch.resync:
            courier.owe_all()
        else:
            courier.owe(dispatch.rows, earlier=True)
        courier.unanswered += 1
        courier.retry_at_s = now_s + self._retry_s
        if courier.unanswered >= FORGET_AFTER:
            self._forget(courier)

    def fenced(self, dispatch: Dispatch) -> None:
        """Another epoch answered: presence will say which; its sessions began by reading."""
        dispatch.courier.in_flight = False
        self._forget(dispatch.courier)

    def missed(self) -> None:
        """Nobody could say where some rows belong."""
        for courier in self._by_gateway.values():
            courier.owe_all()

    def _begin(self, courier: Courier, rows: Sequence[DeliveryRow]) -> Dispatch:
        dispatch = Dispatch(courier, [*courier.owed, *rows], courier.resync, courier.suspect)
        courier.in_flight = True
        courier.resync = False
        courier.owed = []
        return dispatch

    def _live(self, gateways: Mapping[GatewayAddress, object]) -> list[GatewayAddress]:
        """Those of the newest epoch known of their name; the older ones are forgotten."""
        newest: dict[str, int] = {}
        for gateway in (*self._by_gateway, *gateways):
            newest[gateway.gateway_id] = max(gateway.epoch, newest.get(gateway.gateway_id, 0))
        for courier in list(self._by_gateway.values()):
            if courier.gateway.epoch < newest[courier.gateway.gateway_id]:
                self._forget(courier)
        return [gateway for gateway in gateways if gateway.epoch == newest[gateway.gateway_id]]

    def _forget_unused(self) -> None:
        idle = (courier for courier in self._by_gateway.values() if not courier.in_flight)
        excess = len(self._by_gateway) - self._max_couriers
        for courier in [courier for courier, _ in zip(idle, range(excess), strict=False)]:
            self._forget(courier)

    def _forget(self, courier: Courier) -> None:
        if self._by_gateway.get(courier.gateway) is courier:
            del self._by_gateway[courier.gateway]


def requests_of(
    rows: Sequence[DeliveryRow], max_bytes: int = MAX_DELIVER_BYTES
) -> Iterator[Sequence[DeliveryRow]]:
    """The rows in order, in parts whose requests stay below max_bytes (a single larger row goes alone); one empty part when there are none."""
    start = 0
    filled_bytes = _REQUEST_OVERHEAD_BYTES
    for index, row in enumerate(rows):
        row_bytes = len(row.row) + _ROW_OVERHEAD_BYTES
        if index > start and filled_bytes + row_bytes >= max_bytes:
            yield rows[start:index]
            start, filled_bytes = index, _REQUEST_OVERHEAD_BYTES
        filled_bytes += row_bytes
    yield rows[start:]
