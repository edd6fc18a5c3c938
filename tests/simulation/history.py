"""One history: a seeded walk over everything that may happen next, then calm, then rest. The same seed gives the same history."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

from reno.domain.priority import Priority
from reno.ports import JournalEntry, Located, LogFull, LogRecord, Page
from reno.v1.event_pb2 import Event
from reno.wire.clock import duration, timestamp
from tests.simulation.checks import check_at_rest, rows_due, what_is_owed
from tests.simulation.devices import DeviceClient
from tests.simulation.gateways import Gateway
from tests.simulation.kernel import Kernel
from tests.simulation.mix import MERGING, TYPES, Mix, Trouble, mix_of
from tests.simulation.network import Call, Faults
from tests.simulation.world import World

REST_S = 40.0
"""Of simulated time, at most, from the last fault until everybody must have everything."""

DEADLY = ("purge", "store", "raise mark", "look up", "deliver", "log read", "journal")
"""Behind one of these a processor dies now and then."""

CALM_FAULTS = Faults(answer_waits=0.1)


class History:
    """`play` raises what broke; `lines` say what happened when they were asked for."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.lines: list[str] = []
        self.steps = 0
        self._traced = traced
        self._crashes_left = 0
        self._deadly = ""
        self._random = Random(seed)
        self._kernel = Kernel()
        self._mix: Mix = mix_of(self._random)
        self._events: list[tuple[Event, Priority]] = []

    def play(self) -> None:
        with self._kernel.running(self.seed):
            self._world = World(self._mix, self._random, self._kernel, self._trace)
            self._clients = [
                DeviceClient(device, self._world, self._random) for device in self._mix.devices
            ]
            self._acts, self._weights = self._choices()
            if self._mix.trouble in {Trouble.PROCESSORS, Trouble.ANY}:
                self._crashes_left = self._random.choice((0, 3, 9))
                self._deadly = self._random.choice(DEADLY)
            try:
                for _ in range(self._mix.steps):
                    self._step()
                self._come_to_rest()
            finally:
                for process in self._world.processes():
                    process.kill()

    # What happens next.

    def _step(self) -> None:
        self.steps += 1
        kernel, random = self._kernel, self._random
        call = self._world.network.pick() if random.random() < 0.7 else None
        if call is not None:
            self._go_on(call)
        else:
            act = random.choices(self._acts, self._weights)[0]
            self._trace(act.__name__, "", "")
            act()
        kernel.run_ready()
        kernel.advance(kernel.now_s + 0.001)
        self._world.check()

    def _go_on(self, call: Call) -> None:
        """Something happens to the call; its processor may die of it."""
        world = self._world
        world.network.step(call)
        if self._crashes_left and call.has_arrived and call.kind.startswith(self._deadly):
            for name, processor in world.processors.items():
                if processor.process is call.caller and self._random.random() < 0.3:
                    self._crashes_left -= 1
                    self._trace("dies", name, call.kind)
                    world.restart_processor(name)
                    return

    def _choices(self) -> tuple[list[Callable[[], object]], list[int]]:
        acts: dict[Callable[[], object], int] = {
            self._publish: 30,
            self._subscribe: 8,
            self._handle: self._mix.handles,
            self._leave: 3,
            self._notice: 4,
            self._pull: 4,
            self._acknowledge: 3,
            self._wait: 12,
            self._sleep_long: 2,
        }
        if self._mix.trouble in {Trouble.PROCESSORS, Trouble.ANY}:
            acts |= {self._restart_processor: 5, self._freeze_processor: 2, self._thaw: 6}
        if self._mix.trouble is Trouble.ANY:
            acts |= {
                self._kill_gateway: 1,
                self._drain_gateway: 1,
                self._start_gateway: 4,
                self._restart_door: 1,
                self._freeze: 2,
                self._time_out: 4,
                self._stop_presence: 1,
                self._start_presence: 4,
                self._cut_attachment: 2,
                self._poison: 1,
                self._forget: 1,
            }
        return list(acts), list(acts.values())

    def _publish(self) -> None:
        random = self._random
        events = [self._event() for _ in range(random.choice((1, 1, 2, 4)))]
        self._world.publish(random.choice(list(self._world.doors)), events)

    def _event(self) -> tuple[Event, Priority]:
        random = self._random
        if self._events and random.random() < 0.2:
            return random.choice(self._events[-8:])
        lane = random.choice(self._mix.lanes)
        device = random.choice(self._mix.devices)
        event = Event(
            id=f"e{len(self._events)}",
            member_id=device.member_id,
            type=random.choice(TYPES[lane]),
            payload=bytes(random.choice((0, 10, 150))),
        )
        if event.type in MERGING:
            event.merge_key = random.choice("ab")
        special = random.random()
        if special < 0.1:
            event.origin_device_id = device.device_id
        elif special < 0.2:
            event.targets.device_ids.append(device.device_id)
        elif special < 0.25:
            event.targets.device_classes.append("tv")
        elif special < 0.35:
            event.ttl.CopyFrom(duration(random.choice((0.3, 1.0, 3.0))))
        elif special < 0.45:
            at_ms = self._kernel.now_ms - random.choice((50, 300, 900))
            event.occurred_at.CopyFrom(timestamp(at_ms))
        self._events.append((event, lane))
        return event, lane

    def _subscribe(self) -> None:
        gateways = [each for each in self._world.gateways.values() if not each.is_draining]
        client = self._random.choice(self._clients)
        if gateways and (not client.is_connected or self._random.random() < 0.2):
            client.subscribe(self._random.choice(gateways))

    def _handle(self) -> None:
        for client in self._clients:
            client.take_page()
        self._random.choice(self._clients).handle()

    def _leave(self) -> None:
        self._random.choice(self._clients).leave()

    def _forget(self) -> None:
        self._random.choice(self._clients).forget()

    def _notice(self) -> None:
        for gateway in self._world.gateways.values():
            gateway.notice_the_gone()

    def _pull(self) -> None:
        if gateway := self._a_gateway():
            self._random.choice(self._clients).pull(gateway)

    def _acknowledge(self) -> None:
        if gateway := self._a_gateway():
            self._random.choice(self._clients).acknowledge(gateway)

    def _wait(self) -> None:
        kernel = self._kernel
        until = kernel.next_timer_s()
        a_while = kernel.now_s + self._random.choice((0.01, 0.1, 0.4))
        kernel.advance(a_while if until is None else min(until, a_while))

    def _sleep_long(self) -> None:
        self._kernel.advance(self._kernel.now_s + self._random.choice((1.0, 3.0, 8.0)))

    # What goes wrong.

    def _kill_gateway(self) -> None:
        if gateway := self._a_gateway():
            self._world.kill_gateway(gateway.name)

    def _drain_gateway(self) -> None:
        gateway = self._a_gateway()
        if gateway and not gateway.is_draining:
            gateway.drain()

    def _start_gateway(self) -> None:
        for name, gateway in list(self._world.gateways.items()):
            if gateway.fenced or (gateway.is_draining and gateway.draining.done()):
                self._world.kill_gateway(name)
        for number in range(self._mix.gateways):
            if f"gateway-{number}" not in self._world.gateways:
                self._world.start_gateway(f"gateway-{number}")

    def _restart_processor(self) -> None:
        self._world.restart_processor(self._random.choice(list(self._world.processors)))

    def _restart_door(self) -> None:
        self._world.restart_door(self._random.choice(list(self._world.doors)))

    def _freeze_processor(self) -> None:
        self._random.choice(list(self._world.processors.values())).process.freeze()

    def _freeze(self) -> None:
        self._random.choice(self._world.processes()).freeze()

    def _thaw(self) -> None:
        for process in self._world.processes():
            process.thaw()

    def _time_out(self) -> None:
        network = self._world.network
        waiting = [call for call in network.under_way if call.callee and call.callee.is_frozen]
        if waiting:
            network.time_out(self._random.choice(waiting))

    def _stop_presence(self) -> None:
        self._random.choice(self._world.replicas).stop()

    def _start_presence(self) -> None:
        for replica in self._world.replicas:
            if not replica.is_up:
                replica.start()

    def _cut_attachment(self) -> None:
        if gateway := self._a_gateway():
            gateway.cut(self._random.randrange(4))

    def _poison(self) -> None:
        shard = self._random.choice(self._world.shards)
        at = len(self._world.log.history.get(shard, ()))
        with suppress(LogFull):
            self._world.log.append(shard, b"\x07poison", f"poison {at}", self._world.log_clock_ms())

    # Afterwards.

    def _come_to_rest(self) -> None:
        """Whatever was broken runs again, and everybody comes back: then everything must come to everybody."""
        self._trace("rest", "", "")
        world, kernel = self._world, self._kernel
        world.network.faults = CALM_FAULTS
        self._thaw()
        self._start_presence()
        self._start_gateway()
        if self._random.random() < 0.25:
            self._stall()
        self._race_at_the_end()
        until = kernel.now_s + REST_S
        while kernel.now_s < until:
            self._all_that_can_happen()
            if self._is_at_rest():
                break
            a_while = kernel.now_s + 0.5
            following = kernel.next_timer_s()
            kernel.advance(a_while if following is None else min(following, a_while))
            kernel.run_ready()
            self._start_gateway()
        check_at_rest(world, self._clients)

    def _race_at_the_end(self) -> None:
        """One more event while devices come back and processors die: no later one heals what goes wrong with it."""
        for client in self._clients:
            if self._random.random() < 0.5:
                client.leave()
        lane = self._random.choice(self._mix.lanes)
        member_id = self._random.choice(self._mix.devices).member_id
        event = Event(id="last", member_id=member_id, type=TYPES[lane][0])
        self._world.publish(next(iter(self._world.doors)), [(event, lane)])

    def _stall(self) -> None:
        """Nobody reads for a while, and news comes."""
        for events in (0, 6):
            for _ in range(events):
                self._publish()
            self._all_that_can_happen(reads=False)
        self._kernel.advance(self._kernel.now_s + self._random.choice((0.3, 1.0)))

    def _all_that_can_happen(self, *, reads: bool = True) -> None:
        world, random = self._world, self._random
        while True:
            self._kernel.run_ready()
            world.check()
            handled = [client.handle() for client in self._clients if reads]
            gateways = [each for each in world.gateways.values() if not each.is_draining]
            for client in self._clients:
                client.take_page()
                if not client.is_connected and gateways and random.random() < 0.1:
                    client.subscribe(random.choice(gateways))
            call = world.network.pick()
            if call is not None:
                self._go_on(call)
            elif not any(handled) and (not gateways or all(c.is_connected for c in self._clients)):
                return

    def _is_at_rest(self) -> bool:
        world = self._world
        if any(world.log.lag(shard) for shard in world.shards):
            return False
        due = rows_due(world.log)
        return all(what_is_owed(client, due) is None for client in self._clients)

    def _a_gateway(self) -> Gateway | None:
        gateways = list(self._world.gateways.values())
        return self._random.choice(gateways) if gateways else None

    def _trace(self, kind: str, who: str, what: object) -> None:
        if self._traced:
            at = f"{self.steps:4} {self._kernel.now_s:8.3f}"
            self.lines.append(f"{at} {who:12} {kind}: {_brief(what)}".rstrip(": "))


def _brief(what: object) -> str:
    """An answer in as few words as tell a reader of the trace what it was."""
    match what:
        case None:
            return ""
        case LogRecord() | JournalEntry():
            return str(what.sequence)
        case Page():
            positions = ",".join(str(row.position) for row in what.rows)
            return f"{positions} through {what.through} mark {what.mark}"
        case Located():
            return " ".join(f"{g.gateway_id}:{len(m)}" for g, m in what.by_gateway.items())
        case list():
            return f"[{' '.join(map(_brief, what))}]"
    return str(what)[:160]
