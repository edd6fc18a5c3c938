"""A real `reno up` for a measurement: its addresses, and the CPU and memory that each of its processes used."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LANES = ("HIGH", "MEDIUM", "LOW")
CATALOGUE = Path(__file__).with_name("catalogue.toml")
PATIENT = {"RENO_SUPERVISOR__SILENT_AFTER_S": "60"}
"""A machine that is loaded to its limit on purpose answers health checks late."""

_direct = build_opener(ProxyHandler({}))


def cpu_s_of(pid: int) -> float:
    """User and system seconds of a process since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    ports: dict[str, int]
    data: Path

    def address(self, name: str) -> str:
        """host:port of ingestion, devices or presence."""
        return f"127.0.0.1:{self.ports[name]}"

    def pids(self) -> dict[str, int]:
        """Of each process, by its name."""
        pids: dict[str, int] = json.loads((self.data / "up.json").read_text())["pids"]
        return pids

    def cpu_s(self) -> dict[str, float]:
        """User and system seconds of each process since it started, from the operating system's accounts."""
        return {name: cpu_s_of(pid) for name, pid in self.pids().items()}

    def log(self) -> dict[str, dict[str, int]]:
        """Of each lane's stream: messages and bytes that are not processed yet, and the last sequence."""
        url = f"http://{self.address('nats-monitor')}/jsz?streams=true&accounts=true"
        with _direct.open(url, timeout=5) as answer:
            accounts = json.loads(answer.read()).get("account_details", ())
        return {
            one["name"]: {
                "messages": one["state"]["messages"],
                "bytes": one["state"]["bytes"],
                "last": one["state"]["last_seq"],
            }
            for account in accounts
            for one in account["stream_detail"]
            if one["name"].rpartition("_")[2] in LANES
        }

    def until_processed(self, within_s: float = 60.0) -> None:
        """Until the processors have delivered everything that the log took. Raises TimeoutError."""
        ends_s = time.monotonic() + within_s
        while any(stream["messages"] for stream in self.log().values()):
            if time.monotonic() > ends_s:
                raise TimeoutError(f"not everything was processed within {within_s:g} s")
            time.sleep(0.1)

    def resident_bytes(self) -> dict[str, int]:
        """Of each process's memory, now."""
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        return {
            name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page_bytes
            for name, pid in self.pids().items()
        }


@contextmanager
def running(
    catalogue: Path | None = None,
    arguments: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """Starts it on free ports in a new directory, ends it with SIGINT. `arguments`: further ones of `reno up`; `settings`: as environment."""
    with tempfile.TemporaryDirectory(prefix="reno-bench-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "reno.cli.main", "up", "--ports", "0", "--json"]
        command += arguments
        environment = (
            PATIENT
            | os.environ
            | (settings or {})
            | ({"RENO_CATALOGUE": str(catalogue)} if catalogue else {})
        )
        child = subprocess.Popen(
            [*command, "--data", str(data)], stdout=subprocess.PIPE, env=environment, text=True
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if (said := json.loads(line)).get("event") == "ready":
                    yield System(said["ports"], data)
                    break
            else:
                raise RuntimeError("reno up ended before it was ready")
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(60)
