"""Three real nats-servers on 127.0.0.1 as one cluster. Every route and every client's way goes through a proxy, so that each server can be cut off."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from reno.config.settings import LogSettings
from tests.servers.nats import NatsProcess, free_port
from tests.servers.proxy import ProxyThread, TcpProxy

SERVERS = 3
READY_TIMEOUT_S = 30.0
_direct = build_opener(ProxyHandler({}))


class NatsCluster:
    """Servers by their index; they keep ports and data over kill and start."""

    def __init__(self, directory: Path, *, more: str = "") -> None:
        """`more` is added to every server's configuration."""
        self._proxies = ProxyThread()
        route_ports = [free_port() for _ in range(SERVERS)]
        self.routes: dict[tuple[int, int], TcpProxy] = {
            (source, target): self._proxies.proxy(route_ports[target])
            for source in range(SERVERS)
            for target in range(SERVERS)
            if source != target
        }
        # What a server says of itself would lead the others past the proxies: a port where nobody listens.
        nowhere = free_port()
        self.servers = [
            NatsProcess(
                directory / f"nats-{index}",
                name=f"nats-{index}",
                more=f"{self._cluster(index, route_ports[index], nowhere)}\n{more}",
            )
            for index in range(SERVERS)
        ]
        self.clients = [self._proxies.proxy(server.port) for server in self.servers]

    def _cluster(self, index: int, port: int, nowhere: int) -> str:
        routes = [
            f'"nats-route://127.0.0.1:{self.routes[index, other].port}"'
            for other in range(SERVERS)
            if other != index
        ]
        return "\n".join(
            (
                "cluster {",
                "  name: reno",
                f'  listen: "127.0.0.1:{port}"',
                f'  advertise: "127.0.0.1:{nowhere}"',
                "  no_advertise: true",
                f"  routes: [{', '.join(routes)}]",
                "}",
            )
        )

    def settings(self, **changes: object) -> LogSettings:
        """Small streams, three replicas; clients go through the proxies."""
        return self.servers[0].settings(
            **{
                "servers": [f"nats://127.0.0.1:{proxy.port}" for proxy in self.clients],
                "monitor_urls": [server.monitor_url for server in self.servers],
                "replicas": SERVERS,
                **changes,
            }
        )

    def start(self) -> None:
        """Returns when all three are one cluster that can make streams."""
        for server in self.servers:
            server.launch()
        self.wait_whole()

    def wait_whole(self) -> None:
        """Every server is there, current and has the same leader. Raises AssertionError."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_whole():
            assert time.monotonic() < deadline, "the cluster is not whole"
            time.sleep(0.05)

    def isolate(self, index: int) -> None:
        """No other server reaches it, nor it them; its clients still do."""
        for ends, proxy in self.routes.items():
            if index in ends:
                proxy.cut()

    def mend(self) -> None:
        """Every way is open again."""
        for proxy in (*self.routes.values(), *self.clients):
            proxy.mend()

    def leader_of(self, stream: str) -> int | None:
        """By what the servers say; None while there is none."""
        for index, server in enumerate(self.servers):
            answer = _get(f"{server.monitor_url}/jsz?streams=true&accounts=true")
            for account in answer.get("account_details", []):
                for detail in account.get("stream_detail", []):
                    leader = detail.get("cluster", {}).get("leader")
                    if detail["name"] == stream and leader == server.name:
                        return index
        return None

    def close(self) -> None:
        for server in self.servers:
            server.kill()
        self._proxies.close()

    def _is_whole(self) -> bool:
        leaders = set()
        for server in self.servers:
            if _get(f"{server.monitor_url}/healthz").get("status") != "ok":
                return False
            leaders.add(_get(f"{server.monitor_url}/jsz").get("meta_cluster", {}).get("leader"))
        return len(leaders) == 1 and None not in leaders and "" not in leaders


def _get(url: str) -> Any:
    """{} where nobody answers."""
    try:
        with _direct.open(url, timeout=1) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError):
        return {}


@contextmanager
def nats_cluster_in(directory: Path, *, more: str = "") -> Iterator[NatsCluster]:
    """Started, and killed at the end."""
    cluster = NatsCluster(directory, more=more)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def nats_cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    """One for the test: one that was cut apart may take half a minute until it is whole again."""
    with nats_cluster_in(tmp_path / "nats-cluster") as cluster:
        yield cluster
