"""Real nats-servers on 127.0.0.1, ended by pid by who started them."""

import json
import os
import random
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_server import command, render_config
from reno.cli.ports import is_free
from reno.config.settings import LogSettings
from tests.servers.process import ServerProcess

START_TIMEOUT_S = 20.0
_direct = build_opener(ProxyHandler({}))


# Below the ports that the kernel lends to outgoing connections, so that it is still free when a server that was killed comes back.
_PORTS = range(10_000, 32_000)
_HELD = 300
_held: deque[int] = deque()


def free_port() -> int:
    """A port that was free just now, and is not among those last given, here or to another process of tests that runs."""
    while True:
        port = random.choice(_PORTS)
        # Nobody here speaks UDP: whoever is given a port holds its namesake, so that nobody else is given it while its server is down.
        with socket.socket(type=socket.SOCK_DGRAM) as namesake:
            try:
                namesake.bind(("127.0.0.1", port))
            except OSError:
                continue
            _held.append(namesake.detach())
        if len(_held) > _HELD:
            os.close(_held.popleft())
        if is_free(port):
            return port


class NatsProcess(ServerProcess):
    """A server with its own directory; it keeps ports and data over kill and start."""

    def __init__(
        self,
        directory: Path,
        *,
        synced: bool = True,
        max_file_store: int = 16 << 30,
        name: str = "",
        more: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`more` is added to its configuration, `environment` to its environment."""
        super().__init__()
        self.directory = directory
        self.port = free_port()
        self.monitor_port = free_port()
        self.name = name or f"test-{self.port}"
        self._more = more
        self._environment = {**os.environ, **(environment or {})}
        self._synced = synced
        self._max_file_store = max_file_store
        self.prefix: Sequence[str] = ()
        """Of its command line, from its next start on."""

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    def settings(self, **changes: object) -> LogSettings:
        """Small streams, so that a server has room for all of them."""
        return LogSettings.model_validate(
            {
                "servers": (self.url,),
                "monitor_urls": (self.monitor_url,),
                "max_bytes_high": 64 << 20,
                "max_bytes_medium": 64 << 20,
                "max_bytes_low": 64 << 20,
                **changes,
            }
        )

    def start(self) -> None:
        """Returns when the server is ready; raises AssertionError with its log when it is not in time."""
        log = self.launch()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._running.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"nats-server did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def launch(self) -> Path:
        """Does not wait; where it logs to."""
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "nats.conf"
        config.write_text(
            render_config(
                name=self.name,
                host="127.0.0.1",
                port=self.port,
                monitor_port=self.monitor_port,
                store=self.directory / "store",
                max_file_store=self._max_file_store,
                synced=self._synced,
                more=self._more,
            )
        )
        log = self.directory / "nats.log"
        self._launch([*self.prefix, *command(config)], log, self._environment)
        return log

    def _is_ready(self) -> bool:
        try:
            with _direct.open(f"{self.monitor_url}/healthz?js-enabled-only=true", timeout=1) as got:
                return bool(json.loads(got.read()).get("status") == "ok")
        except (OSError, ValueError):
            return False


@asynccontextmanager
async def connected(settings: LogSettings) -> AsyncIterator[NatsConnection]:
    """Closed when it is left; it notices soon that a server is silent."""
    connection = NatsConnection(settings, "test", ping_interval_s=0.5)
    await connection.connect()
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsProcess]:
    """One for the session, synced; its streams are shared by whoever uses it. Leave it running."""
    server = NatsProcess(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fresh_nats(tmp_path: Path) -> Iterator[NatsProcess]:
    """One for the test, synced and empty; kill and start it as you like."""
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.kill()
