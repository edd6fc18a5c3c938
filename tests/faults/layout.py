"""Where everything of an installation is: its processes with their settings, and the proxies of every way between them. Starts nothing but the proxies."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.system import CATALOGUE
from reno.config.cassandra_settings import CassandraSettings
from tests.e2e.many import Member, address
from tests.faults.fail_points import PointFile
from tests.faults.launcher import make_clock
from tests.faults.shapes import Shape, numbered
from tests.faults.traffic import LANE_WORDS, SHARDS, catalogue
from tests.servers.envoy import EnvoyProcess
from tests.servers.nats import NatsProcess
from tests.servers.proxy import ProxyThread, TcpProxy

PROGRAM = "tests.faults.launcher"
LOOK_S, SILENCE_S = 5.0, 5.0
LASTS_S = (1.5, 4.0)
"""How long a fault lasts, at least and at most."""

SLACK_S = LOOK_S * 1.2 + LASTS_S[1] + 5.0
"""A look is as old as its interval, and as a process that stood still in between."""

PAGE_ROWS = 20
"""So few that a device which comes back is often cut off between two frames of what it missed."""

MESH, CASSANDRA = "mesh", "cassandra"


class Layout:
    """`members` by name: ingestion, gateway-0, processor-high, presence-0, ...; `links` by who>whom."""

    def __init__(
        self,
        directory: Path,
        shape: Shape,
        log: Mapping[str, NatsProcess],
        inbox: CassandraSettings | None,
    ) -> None:
        """`log` by its servers' names."""
        self.members: dict[str, Member] = {}
        self.links: dict[str, TcpProxy] = {}
        self.points: dict[str, PointFile] = {}
        self.envoy: EnvoyProcess | None = None
        self._directory = directory
        self._shape = shape
        self._log = log
        self._inbox = inbox
        self._proxies = ProxyThread()
        self.gateways = [f"gateway-{n}" for n in range(shape.gateways)]
        self.doors = numbered("ingestion", shape.doors)
        (directory / "catalogue.toml").write_text(f"{catalogue()}\n\n{CATALOGUE.read_text()}")
        self._plan()

    @property
    def device_links(self) -> list[str]:
        """The ways by which devices come in."""
        return [link for link in self.links if link.startswith("devices>")]

    @property
    def door_link(self) -> str:
        """The way by which backends come in."""
        return next(link for link in self.links if link.startswith("backends>"))

    @property
    def watched_links(self) -> list[str]:
        """By these together every gateway is reached, and whatever devices come in by."""
        mesh = [link for link in self.links if link.startswith(f"{MESH}>gateway")]
        return [*self.device_links, *mesh]

    def place(self, link: str) -> str:
        """Where the way begins."""
        return f"127.0.0.1:{self.links[link].port}"

    def close(self) -> None:
        self._proxies.close()

    def _link(self, name: str, target: str) -> str:
        """The address of the way's beginning."""
        self.links[name] = self._proxies.proxy(int(target.rpartition(":")[2]))
        return self.place(name)

    def _plan(self) -> None:
        inboxes = {word: address() for word in LANE_WORDS.values()}
        replicas = {f"presence-{n}": address() for n in range(self._shape.replicas)}
        gateways = {name: address() for name in self.gateways}
        doors = {name: address() for name in self.doors}
        seen_by = {
            who: json.dumps(
                [self._link(f"{who}>{name}", place) for name, place in replicas.items()]
            )
            for who in ("gateways", "processors")
        }
        asked = [self._presence(name, place) for name, place in replicas.items()]
        for word, place in inboxes.items():
            first, *more = numbered(f"processor-{word}", self._shape.processors)
            self._processor(first, word, place, seen_by["processors"])
            for name in more:
                self._processor(name, word, address(), seen_by["processors"])
        to_inboxes = {}
        if self._inbox is None:
            to_inboxes = {
                f"RENO_INBOX__{word.upper()}": self._link(f"gateways>inbox-{word}", place)
                for word, place in inboxes.items()
            }
        for name, place in gateways.items():
            self._gateway(
                name, place, {**to_inboxes, "RENO_PRESENCE__REPLICAS": seen_by["gateways"]}
            )
        for name, place in doors.items():
            own = {"RENO_INGESTION__LISTEN": place, **self._to_log(name)}
            self._add(name, ["ingestion"], place, "IngestionService", own)
        if self._shape.has_mesh:
            self.envoy = EnvoyProcess(
                self._directory / MESH,
                ingestion=[self._link(f"{MESH}>{name}", place) for name, place in doors.items()],
                gateways=[self._link(f"{MESH}>{name}", place) for name, place in gateways.items()],
                presence=asked,
            )
            doors, gateways = {MESH: self.envoy.ingestion}, {MESH: self.envoy.devices}
        for name, place in doors.items():
            self._link(f"backends>{name}", place)
        for name, place in gateways.items():
            self._link(f"devices>{name}", place)

    def _presence(self, name: str, internal: str) -> str:
        """Where it answers backends."""
        public = address()
        own = {"RENO_PRESENCE__LISTEN": public, "RENO_PRESENCE__LISTEN_INTERNAL": internal}
        self._add(name, ["presence"], public, "PresenceService", own)
        return public

    def _processor(self, name: str, word: str, place: str, replicas: str) -> None:
        own = {
            "RENO_PROCESSOR__PRIORITY": word,
            "RENO_PROCESSOR__LISTEN_INTERNAL": place,
            "RENO_PROCESSOR__SHARDS": "all" if self._shape.processors == 1 else "shared",
            "RENO_PRESENCE__REPLICAS": replicas,
            **self._to_log(name),
            **self._to_inbox(name),
        }
        self._add(name, ["processor"], place, "InboxService", own)

    def _gateway(self, name: str, public: str, own: Mapping[str, str]) -> None:
        internal = address()
        own = {
            **own,
            **self._to_inbox(name),
            "RENO_GATEWAY__GATEWAY_ID": name,
            "RENO_GATEWAY__LISTEN": public,
            "RENO_GATEWAY__LISTEN_INTERNAL": internal,
            "RENO_GATEWAY__ADVERTISE": self._link(f"processors>{name}", internal),
        }
        self._add(name, ["gateway"], public, "NotificationService", own)

    def _to_log(self, name: str) -> dict[str, str]:
        ways = [
            f"nats://{self._link(f'{name}>{server}', nats.url)}"
            for server, nats in self._log.items()
        ]
        return {"RENO_LOG__SERVERS": json.dumps(ways)}

    def _to_inbox(self, name: str) -> dict[str, str]:
        if self._inbox is None:
            return {}
        way = self._link(f"{name}>{CASSANDRA}", self._inbox.contact_points[0])
        return {
            "RENO_INBOX__ENGINE": "cassandra",
            "RENO_INBOX__CONTACT_POINTS": json.dumps([way]),
            "RENO_INBOX__KEYSPACE": self._inbox.keyspace,
            "RENO_INBOX__REQUEST_TIMEOUT_S": "5",
        }

    def _add(
        self, name: str, role: Sequence[str], place: str, service: str, own: Mapping[str, str]
    ) -> None:
        clock = self._directory / f"{name}.clock"
        make_clock(clock)
        points = self._directory / f"{name}.points"
        self.points[name] = PointFile(points)
        environment = {
            "FAULTS_CLOCK": str(clock),
            "FAULTS_POINTS": str(points),
            **({"FAULTS_MUTANT": self._shape.mutant} if self._shape.mutant else {}),
            "RENO_CATALOGUE": str(self._directory / "catalogue.toml"),
            "RENO_DATA_DIR": str(self._directory / name),
            "RENO_LOG__SERVERS": json.dumps([nats.url for nats in self._log.values()]),
            "RENO_LOG__MONITOR_URLS": json.dumps([nats.monitor_url for nats in self._log.values()]),
            "RENO_LOG__REPLICAS": str(len(self._log)),
            "RENO_LOG__SHARDS": str(SHARDS),
            "RENO_LOG__MAX_BYTES_HIGH": str(64 << 20),
            "RENO_LOG__MAX_BYTES_MEDIUM": str(64 << 20),
            "RENO_LOG__MAX_BYTES_LOW": str(self._shape.max_bytes_low),
            "RENO_GATEWAY__TRANSPORT": self._shape.transport,
            "RENO_INGESTION__TRANSPORT": self._shape.transport,
            "RENO_GATEWAY__LOOK_INTERVAL_S": str(LOOK_S),
            "RENO_GATEWAY__CHECKPOINT_INTERVAL_S": str(SILENCE_S / 2),
            "RENO_GATEWAY__STALLED_AFTER_S": "3",
            "RENO_GATEWAY__MAX_PAGE_ROWS": str(PAGE_ROWS),
            "RENO_GATEWAY__DRAIN_SPREAD_S": "1",
            "RENO_SERVER__DRAIN_S": "5",
            **self._shape.environment,
            **own,
        }
        health = (place, f"reno.v1.{service}")
        log = self._directory / f"{name}.log"
        self.members[name] = Member(name, role, environment, health, log, PROGRAM)
