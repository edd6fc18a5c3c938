"""All settings, with their limits. From the environment (RENO_LOG__SERVERS=...), then a TOML file, then these defaults."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from reno.config.cassandra_settings import CassandraSettings
from reno.config.inbox_places import InboxPlace, parse_places
from reno.config.lane_settings import LanesSettings
from reno.config.mesh_settings import MeshSettings
from reno.config.section import Address, Count, Seconds, Section
from reno.config.transport import GRPCIO, Transport
from reno.domain.priority import Priority
from reno.domain.shard_set import ALL_SHARDS, SHARED, ShardSet, parse_shards


def _checked_places(text: str) -> str:
    parse_places(text)
    return text


def _checked_shards(text: str) -> str:
    return SHARED if text == SHARED else str(parse_shards(text))


Places = Annotated[str, AfterValidator(_checked_places)]
Shards = Annotated[str, AfterValidator(_checked_shards)]


class LogSettings(Section):
    """NATS JetStream, as clients and as creators of streams."""

    servers: Annotated[tuple[str, ...], Field(min_length=1)] = ("nats://127.0.0.1:7422",)
    """With tls:// a server is verified, and one that does not require TLS is told nothing."""
    ca_file: Path | None = None
    """PEM, who may vouch for the servers; absent: the machine's authorities."""
    certificate_file: Path | None = None
    """PEM, this process's own, for servers that verify their clients; with key_file."""
    key_file: Path | None = None
    user: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,64}$")] = None
    """Who the cluster knows this process as (`reno nats config`); replies then come to a place of its own."""
    password: SecretStr | None = None
    monitor_urls: Annotated[tuple[str, ...], Field(min_length=1)] = ("http://127.0.0.1:7423",)
    """Of every server of the cluster."""
    require_synced: bool = True
    """Readiness refuses where a server says that it does not sync, or half of them say nothing."""
    leave_after_s: Seconds = 5.0
    """A server through which nothing was answered for so long is left for another one."""
    replicas: Annotated[int, Field(ge=1, le=5)] = 1
    shards: Annotated[int, Field(ge=1, le=1024)] = 4
    """Of a lane's stream when it is created; afterwards the stream's own metadata counts."""
    max_bytes_high: Count = 1 << 30
    max_bytes_medium: Count = 2 << 30
    max_bytes_low: Count = 4 << 30
    publish_timeout_s: Seconds = 1.0

    @property
    def is_tls(self) -> bool:
        """All servers are, or none."""
        return self.servers[0].startswith("tls://")

    @model_validator(mode="after")
    def _is_encrypted_or_not(self) -> Self:
        if len({server.startswith("tls://") for server in self.servers}) > 1:
            raise ValueError("servers: all with tls://, or none")
        files = (self.ca_file, self.certificate_file, self.key_file)
        if any(files) and not self.is_tls:
            raise ValueError("ca_file, certificate_file and key_file need servers with tls://")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        return self

    def max_bytes(self, priority: Priority) -> int:
        """The stream's limit; full means this much is unprocessed."""
        return {
            Priority.HIGH: self.max_bytes_high,
            Priority.MEDIUM: self.max_bytes_medium,
            Priority.LOW: self.max_bytes_low,
        }[priority]


class InboxSettings(CassandraSettings):
    """Which inbox, and where it is. Embedded: where gateways read each lane's embedded inbox: HOST:PORT, or where several processors share the lane "0-1=HOST:PORT 2-3=HOST:PORT". Cassandra: its own settings; gateways read there."""

    engine: Annotated[str, Field(pattern="^(embedded|moving|cassandra)$")] = "embedded"
    """moving: from the one to the other while running, see docs/moving.md."""
    copy_rows_per_s: Count = 20_000
    """At most, of one `reno inbox copy`."""
    max_member_rows: Count = 20_000
    """Of a member and lane that a read shows, expired ones among them: of more the newest (GAP OVERFLOW)."""
    high: Places = "127.0.0.1:7413"
    medium: Places = "127.0.0.1:7414"
    low: Places = "127.0.0.1:7415"

    def text(self, priority: Priority) -> str:
        """As it is given."""
        return {Priority.HIGH: self.high, Priority.MEDIUM: self.medium, Priority.LOW: self.low}[
            priority
        ]

    def places(self, priority: Priority) -> tuple[InboxPlace, ...]:
        """Of the lane's processors."""
        return parse_places(self.text(priority))

    def address(self, priority: Priority, shards: ShardSet = ALL_SHARDS) -> str:
        """Of the processor that has just these shards. Raises ValueError where none has."""
        for place in self.places(priority):
            if place.shards == shards:
                return place.address
        raise ValueError(f"inbox.{priority.word} has no address for shards {shards}")


class IngestionSettings(Section):
    """The backends' door."""

    listen: Address = "127.0.0.1:7400"
    transport: Transport = GRPCIO
    """What speaks gRPC with backends: see the gateway's."""
    max_payload_bytes: Count = 32 * 1024
    max_batch_events: Count = 1000
    max_batch_bytes: Count = 1024 * 1024
    max_unanswered_batches: Count = 16
    max_envelope_events: Annotated[int, Field(gt=0, le=4095)] = 4095
    max_envelope_bytes: Count = 900 * 1024
    """Below the log's max_payload (1 MiB)."""
    max_waiting_bytes_per_shard: Count = 8 * 1024 * 1024
    """Events that wait for their envelope; more are refused as FULL."""
    linger_s: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How long an envelope waits for more events before it is written; 0: as long as the one before it is under way."""
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """An envelope that the log has not confirmed by then is UNCERTAIN; well below the 2 minutes for which the log knows a repeat. A cluster may elect a leader for 10 s."""
    max_unconfirmed_envelopes: Count = 3
    """Given up in a row as UNCERTAIN: then the door is NOT_SERVING until the log confirms an envelope, which it is asked to every second."""
    retry_after_s: Seconds = 1.0
    stream_life_s: Seconds = 3600.0


class GatewaySettings(Section):
    """The devices' door and its internal deliver port."""

    listen: Address = "127.0.0.1:7401"
    transport: Transport = GRPCIO
    """What speaks gRPC with devices: grpcio, or h2, which costs about half the CPU a push and is for a door behind Envoy; `reno up --mesh` takes it where nothing is said."""
    listen_internal: Address = "127.0.0.1:7411"
    advertise: Address | None = None
    """host:port that processors reach listen_internal by; absent: listen_internal itself."""
    gateway_id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")] = (
        "gateway-1"
    )
    max_sessions: Count = 20_000
    max_sessions_per_member: Count = 64
    max_page_rows: Annotated[int, Field(gt=0, le=1000)] = 200
    max_page_bytes: Count = 1024 * 1024
    max_outbox_rows: Count = 500
    max_outbox_bytes: Count = 1024 * 1024
    max_outbox_bytes_total: Count = 512 * 1024 * 1024
    max_acknowledged_waiting: Count = 100_000
    checkpoint_interval_s: Seconds = 15.0
    look_interval_s: Seconds = 30.0
    """Every session reads its inbox this often (jittered) though nothing happened."""
    looks_per_s: Count = 2_000
    """Lanes that read their inbox in a second, at most, because what a processor or presence said may have concerned them."""
    register_wait_s: Seconds = 1.0
    """For presence replicas that are attached, before a session reads its inbox."""
    max_registering: Count = 64
    """Sessions that register at a time; of a herd the others wait their turn, each with its first frame."""
    acknowledge_interval_s: Seconds = 1.0
    read_timeout_s: Seconds = 2.0
    retry_s: Seconds = 0.5
    stalled_after_s: Seconds = 30.0
    stream_life_s: Seconds = 3600.0
    """Streams end after this long, jittered by a fifth, with a reconnect hint."""
    drain_spread_s: Seconds = 5.0
    """Devices of a draining gateway are told to come back spread over this long."""
    drain_wait_s: Seconds = 2.0


class ProcessorSettings(Section):
    """One lane's processor. `priority` comes from the command line in most set-ups."""

    priority: Annotated[str, Field(pattern="^(high|medium|low)$")] = "high"
    shards: Shards = "all"
    """Of the lane, this process's: all, or numbers and ranges such as 0-3,6, which no other process should have; or shared, with inbox.engine cassandra: the
    lane's processors share them out among themselves, anew whenever one comes or goes."""
    lease_s: Annotated[float, Field(ge=0.5, le=60)] = 3.0
    """Where shards are shared: a processor that was not heard of for so long is gone, and the others take its shards."""
    listen_internal: Address | None = None
    """Absent: the address of these shards in inbox."""
    max_batch_events: Count = 8192
    """Events that are folded and stored in one go, per shard."""
    deliver_timeout_s: Seconds = 0.25
    """A shard waits for no gateway longer: it goes on, and what follows for that gateway waits behind the call."""
    deliver_patience_s: Seconds = 5.0
    """How long a call that nobody waits for may go on: a busy gateway has done most of the work by then, and is not asked for it again."""
    lookup_timeout_s: Seconds = 0.25
    remembered_members_per_shard: Count = 100_000
    explain_s: Seconds = 86_400.0
    """The journal is kept for this long, or the longest duplicate window where that is longer."""
    retry_s: Seconds = 0.5
    fork_after_s: Seconds = 5.0
    """A log that ends for so long before what was processed from it has lost the rest: a new generation begins. A new leader of a cluster may need a moment."""
    dead_letter_max_bytes: Count = 1 << 28
    """Of the stream that keeps what could not be processed."""


class PresenceSettings(Section):
    """Who is online. `replicas` are the internal addresses that gateways attach to and processors ask."""

    listen: Address = "127.0.0.1:7402"
    listen_internal: Address = "127.0.0.1:7412"
    replicas: tuple[Address, ...] = ("127.0.0.1:7412",)
    """A name may stand for several: gateways attach to every address that it resolves to, lookups take turns."""
    resolve_s: Seconds = 5.0
    """How often names of replicas are resolved again."""
    lease_s: Seconds = 5.0
    max_sessions: Count = 5_000_000
    max_lookup_members: Count = 5000
    max_watches: Count = 1000
    max_watched_members: Count = 100_000
    """Of all watches together."""
    watch_debounce_s: Seconds = 1.0
    """A device must be other than its watcher was told for this long, or the watcher is not told."""
    watch_alive_s: Seconds = 15.0
    """A watcher hears something at least this often."""
    watch_stalled_after_s: Seconds = 30.0
    """A watcher that takes no frame for so long is let go."""
    watch_life_s: Seconds = 3600.0
    """Watches end after this long, jittered by a fifth, and are opened again."""


class TelemetrySettings(Section):
    """Logs always; traces and metrics when an OTLP endpoint is given."""

    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    log_format: Annotated[str, Field(pattern="^(json|text)$")] = "json"
    otlp_endpoint: str | None = None
    metrics_interval_s: Seconds = 10.0


class ServerSettings(Section):
    """What all doors share."""

    drain_s: Seconds = 10.0
    """How long calls in flight may take after SIGTERM."""
    max_connection_idle_s: Seconds = 600.0
    max_concurrent_streams: Count = 10_000
    max_waiting_calls: Count = 20_000
    """Calls that have arrived and were not looked at yet; gRPC cancels any more, of its own accord some from 1,000 on, which is a small herd."""
    max_metadata_bytes: Count = 16 * 1024


class SupervisorSettings(Section):
    """`reno up`."""

    silent_after_s: Seconds = 10.0
    """A child whose health check is unanswered for this long is killed and started again."""
    restart_delay_s: Seconds = 0.2
    max_restart_delay_s: Seconds = 5.0
    start_timeout_s: Seconds = 30.0
    stop_timeout_s: Seconds = 15.0


class Settings(Section):
    """Everything. `reno config show` prints it with where each value came from."""

    data_dir: Path = Path("reno-data")
    catalogue: Path | None = None
    """A TOML file; absent: the shipped catalogue."""
    log: LogSettings = LogSettings()
    inbox: InboxSettings = InboxSettings()
    ingestion: IngestionSettings = IngestionSettings()
    gateway: GatewaySettings = GatewaySettings()
    processor: ProcessorSettings = ProcessorSettings()
    presence: PresenceSettings = PresenceSettings()
    mesh: MeshSettings = MeshSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    server: ServerSettings = ServerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    lanes: LanesSettings = LanesSettings()
    """What a lane has otherwise than the others, such as lanes.low.linger_s."""

    @model_validator(mode="after")
    def _shares_what_can_be_shared(self) -> Self:
        if self.processor.shards == SHARED and self.inbox.engine != "cassandra":
            raise ValueError(
                f"processor.shards: {SHARED} needs inbox.engine cassandra; an embedded inbox has its shards in a directory"
            )
        return self

    def for_lane(self, priority: Priority) -> "Settings":
        """These settings with the lane's own values in their places."""
        lane = self.lanes.of(priority)
        return self.model_copy(
            update={
                "log": self.log.model_copy(update=lane.of_section("log")),
                "ingestion": self.ingestion.model_copy(update=lane.of_section("ingestion")),
                "processor": self.processor.model_copy(update=lane.of_section("processor")),
            }
        )
