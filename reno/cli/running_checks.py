"""Whether the ports are free, or a RENO answers there and is well."""

import asyncio
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reno.adapters import nats_server
from reno.adapters.channels import open_channel
from reno.adapters.inboxes import CASSANDRA, MOVING
from reno.adapters.nats_names import TO_SHARDS_KEY, stream_of
from reno.cli.cassandra_checks import cassandra
from reno.cli.checks import Check, fail, ok, warn
from reno.cli.up_files import running_state
from reno.config.inbox_places import InboxPlace
from reno.config.settings import Settings
from reno.domain.priority import LANES, Priority
from reno.domain.shard_set import ALL_SHARDS

ASK_TIMEOUT_S = 2.0
MAX_CLOCK_SKEW_S = 2.0
EARLIEST_SANE_TIME_S = 1_760_000_000.0
"""October 2025: a clock before that was never set."""

_STATUS = health_pb2.HealthCheckResponse.ServingStatus
_direct = build_opener(ProxyHandler({}))


def doors(settings: Settings) -> dict[str, tuple[str, str]]:
    """Each role's name, its address and the service that says whether it does its work."""
    return {
        "ingestion": (settings.ingestion.listen, "reno.v1.IngestionService"),
        "devices": (settings.gateway.listen, "reno.v1.NotificationService"),
        "presence": (settings.presence.listen, "reno.v1.PresenceService"),
        **{
            _inbox_name(lane, place): (place.address, "reno.v1.InboxService")
            for lane in LANES
            for place in settings.inbox.places(lane)
        },
    }


def mesh_doors(settings: Settings) -> dict[str, tuple[str, str]]:
    """What is there besides with Envoy in front: its own ports, and further doors behind it."""
    mesh = settings.mesh
    return {
        "mesh-ingestion": (mesh.listen_ingestion, "reno.v1.IngestionService"),
        "mesh-devices": (mesh.listen_devices, "reno.v1.NotificationService"),
        "mesh-presence": (mesh.listen_presence, "reno.v1.PresenceService"),
        **{
            f"devices-{number}": (address, "reno.v1.NotificationService")
            for number, address in enumerate(mesh.gateways[1:], 2)
        },
    }


def _inbox_name(lane: Priority, place: InboxPlace) -> str:
    name = f"inbox-{lane.word}"
    return name if place.shards == ALL_SHARDS else f"{name}-{place.shards}"


async def running_checks(settings: Settings, *, mesh: bool = False) -> list[Check]:
    """Everything at the addresses of the settings; `reno up` on other ports is asked by giving these in the settings."""
    places = doors(settings) | (mesh_doors(settings) if mesh else {})
    asked = (service(name, *at) for name, at in places.items())
    logs = map(log_server, settings.log.monitor_urls)
    checks = list(await asyncio.gather(*asked, *logs))
    if settings.inbox.engine in {CASSANDRA, MOVING}:
        checks.append(await asyncio.to_thread(cassandra, settings.inbox))
    return [supervisor(settings), *checks, await asyncio.to_thread(clock, settings)]


def supervisor(settings: Settings) -> Check:
    """What `reno up` wrote about itself in the data directory."""
    state = running_state(settings.data_dir)
    if state is None:
        return ok("reno up", f"not running in {settings.data_dir}")
    restarts = {name: count for name, count in state.get("restarts", {}).items() if count}
    found = f"running as pid {state.get('pid')}, ports from {state['base']}"
    if restarts:
        said = ", ".join(f"{name} {count}" for name, count in restarts.items())
        logs = settings.data_dir / "logs"
        return warn("reno up", f"{found}; started again: {said}", f"look into {logs}")
    return ok("reno up", found)


async def service(name: str, address: str, service_name: str) -> Check:
    """Free, a RENO that works, a RENO that does not yet, or somebody else."""
    host, _, port = address.rpartition(":")
    if not await _listens(host, int(port)):
        return ok(name, f"{address} is free: nothing runs there")
    stranger = f"{address} is taken by something that is not RENO's {name}"
    async with open_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service_name)
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(request, timeout=ASK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                advice = "look into its log; `reno up` restarts a silent child by itself"
                return fail(name, f"{address} listens but does not answer", advice)
            return fail(name, stranger, "end it, or choose other ports: reno up --ports BASE")
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ok(name, f"{address} is serving")
    state = _STATUS.Name(answer.status)
    return fail(
        name, f"{address} says {state}", "wait, then look into its log: what it needs is missing"
    )


async def log_server(url: str) -> Check:
    """Whether a server of the log answers and syncs what it confirms; `url` is its monitor's."""
    host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
    if not port.isdigit():
        return warn("nats", f"{url} names no port", "set log.monitor_urls to http://HOST:PORT")
    if not await _listens(host, int(port)):
        return ok("nats", f"{url} is free: nothing runs there")
    if not await nats_server.is_ready(url, ASK_TIMEOUT_S):
        return fail("nats", f"{url} does not say that JetStream is ready", "look into nats.log")
    if not await nats_server.is_synced(url, ASK_TIMEOUT_S):
        advice = "set sync_interval: always, or a power failure loses acknowledged events"
        return fail("nats", f"{url} does not sync what it confirms", advice)
    if trouble := await nats_server.trouble(url, ASK_TIMEOUT_S):
        advice = "make room on its disk where that is full; then it must be started again (`reno up` does so by itself)"
        return fail("nats", f"{url} says: {trouble}", advice)
    return lanes(url, await nats_server.metadata(url, ASK_TIMEOUT_S))


def lanes(url: str, streams: Mapping[str, Mapping[str, str]]) -> Check:
    """What a sound server's streams say: a lane that is closed takes nothing."""
    closed = {
        lane.word: to_shards
        for lane in LANES
        if (to_shards := streams.get(stream_of(lane), {}).get(TO_SHARDS_KEY))
    }
    if not closed:
        return ok("nats", f"{url} is ready and syncs what it confirms")
    said = ", ".join(f"lane {word} is closed, to have {to} shards" for word, to in closed.items())
    commands = " and ".join(
        f"reno lane reshard {word} --shards {to}" for word, to in closed.items()
    )
    return fail("nats", f"{url}: {said}", f"where it was broken off, {commands} goes on")


def clock(settings: Settings) -> Check:
    """Whether this clock is plausible, and near the log server's where one answers."""
    now_s = time.time()
    if now_s < EARLIEST_SANE_TIME_S:
        return fail("clock", f"it is not {time.ctime(now_s)}", "set the clock (NTP)")
    try:
        with _direct.open(f"{settings.log.monitor_urls[0]}/varz", timeout=ASK_TIMEOUT_S) as answer:
            theirs = parsedate_to_datetime(str(answer.headers["Date"])).timestamp()
    except (URLError, OSError, ValueError, TypeError):
        return ok("clock", "plausible; no log server to compare with")
    # The header has whole seconds.
    skew_s = abs(time.time() - theirs - 0.5)
    if skew_s > MAX_CLOCK_SKEW_S:
        advice = "let NTP keep both: deadlines are compared across machines"
        return warn("clock", f"{skew_s:.0f} s away from the log server's", advice)
    return ok("clock", "plausible, and near the log server's")


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
