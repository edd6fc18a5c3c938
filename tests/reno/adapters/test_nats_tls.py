"""A log behind TLS: real servers with a certificate of our own authority, which is asked of a client too."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.tls_files import client_context
from reno.config.settings import LogSettings
from tests.reno.adapters.log_contract import (
    HIGH_0,
    append,
    append_until_confirmed,
    eventually,
    taken,
)
from tests.servers.authority import Authority
from tests.servers.nats import NatsProcess, connected


@pytest.fixture(scope="module")
def encrypted(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NatsProcess]:
    certificate, key = authority.sign("server")
    files = f'cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.certificate}"'
    server = NatsProcess(tmp_path_factory.mktemp("tls"), more=f"tls {{ {files}, verify: true }}")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def settings_of(server: NatsProcess, authority: Authority, name: str = "client") -> LogSettings:
    """A client's, with a certificate of its own."""
    certificate, key = authority.sign(name)
    return server.settings(
        servers=(server.url.replace("nats://", "tls://"),),
        ca_file=authority.certificate,
        certificate_file=certificate,
        key_file=key,
    )


async def test_a_role_works_over_tls_also_after_the_server_was_away(
    encrypted: NatsProcess, authority: Authority
) -> None:
    settings = settings_of(encrypted, authority)
    async with connected(settings) as connection:
        writer, reader = NatsLogWriter(connection), NatsLogReader(connection, settings, 1 << 20)
        await reader.open_lane(HIGH_0.priority)
        first = await append(writer, HIGH_0, b"before")
        encrypted.kill()
        encrypted.start()
        await append_until_confirmed(writer, HIGH_0, b"after")
        payloads = [record.payload for record in await taken(reader, HIGH_0, first, 2)]
        assert payloads == [b"before", b"after"]


async def refused(settings: LogSettings) -> str:
    """Why it does not connect."""
    connection = NatsConnection(settings, "stranger", reconnect_wait_s=0.05)
    with capture_logs() as logs:
        connecting = asyncio.create_task(connection.connect())

        async def said() -> bool:
            return any(line["event"] == "log connection error" for line in logs)

        await eventually(said)
        assert not connection.is_connected
        connecting.cancel()
        await asyncio.wait({connecting})
    await connection.close()
    return " ".join(str(line.get("error")) for line in logs)


async def test_a_server_of_another_authority_is_told_nothing(
    encrypted: NatsProcess, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    other.found()
    settings = settings_of(encrypted, authority).model_copy(update={"ca_file": other.certificate})
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(settings)


async def test_a_server_with_another_ones_name_is_told_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.sign("elsewhere", "subjectAltName=DNS:nats.example")
    server = NatsProcess(
        tmp_path / "nats", more=f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'
    )
    server.start()
    try:
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(settings_of(server, authority))
    finally:
        server.kill()


async def test_a_server_without_tls_is_told_no_password(
    nats_server: NatsProcess, authority: Authority
) -> None:
    """Else whoever stands in between could ask for it in the clear."""
    said = await refused(settings_of(nats_server, authority))
    assert "does not require TLS" in said


async def test_a_client_without_a_certificate_does_not_come_in(
    encrypted: NatsProcess, authority: Authority
) -> None:
    without = {"certificate_file": None, "key_file": None}
    settings = settings_of(encrypted, authority).model_copy(update=without)
    assert not (await refused(settings)).startswith("SSLCertVerificationError")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"servers": ("tls://a:1", "nats://b:1")}, "all with tls://, or none"),
        ({"servers": ("nats://a:1",), "ca_file": "ca.pem"}, "need servers with tls://"),
        ({"servers": ("tls://a:1",), "key_file": "a.key"}, "go together"),
    ],
)
def test_half_of_it_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LogSettings.model_validate(changes)


def test_a_file_that_is_of_no_use_is_named(authority: Authority, tmp_path: Path) -> None:
    """What `reno serve` says then is the file's name and what is wrong with it."""
    certificate, _ = authority.sign("one")
    _, of_another = authority.sign("two")
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(256)))

    def trouble(**files: Path) -> OSError:
        settings = LogSettings.model_validate({"servers": ("tls://a:1",), **files})
        try:
            client_context(settings.ca_file, settings.certificate_file, settings.key_file)
        except OSError as error:
            return error
        raise AssertionError("it was taken")

    assert trouble(ca_file=tmp_path / "absent").filename == str(tmp_path / "absent")
    assert trouble(ca_file=noise).filename == str(noise)
    assert trouble(certificate_file=certificate, key_file=of_another).filename == str(certificate)
    assert trouble(certificate_file=certificate, key_file=noise).filename == str(noise)
