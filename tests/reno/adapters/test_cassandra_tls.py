"""A node that wants TLS and a password: both drivers give them, and believe no other node."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from reno.adapters import cassandra_schema
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING
from reno.config.cassandra_settings import CassandraSettings
from reno.errors import Unavailable, WrongState
from tests.servers.authority import HOST, Authority
from tests.servers.cassandra import START_TIMEOUT_S, CassandraNode, require_cassandra
from tests.servers.forwarding import forwarding
from tests.servers.nats import free_port

pytestmark = pytest.mark.timeout(300)

SECURED = """
authenticator: PasswordAuthenticator
client_encryption_options:
  enabled: true
  optional: false
  store_type: PKCS12
  keystore: {store}
  keystore_password: secret
  truststore: {trusted}
  truststore_password: secret
  require_client_auth: true
"""


@pytest.fixture(scope="module")
def secured(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CassandraSettings]:
    """A node of its own, with the schema; settings that it takes."""
    require_cassandra()
    stores = authority.directory
    certificate, key = authority.sign("node", HOST)
    packed(stores / "node.p12", "-in", str(certificate), "-inkey", str(key))
    trusted(stores / "trusted.p12", authority.certificate)
    own = SECURED.format(store=stores / "node.p12", trusted=stores / "trusted.p12")
    node = CassandraNode(tmp_path_factory.mktemp("secured"), own=own)
    try:
        node.start()
        node.wait_ready()
        mine, its_key = authority.sign("reno", "keyUsage=digitalSignature")
        settings = node.settings(
            user="cassandra",
            password="cassandra",
            ca_file=authority.certificate,
            certificate_file=mine,
            key_file=its_key,
        )
        apply_when_users_are_there(settings)
        yield settings
    finally:
        node.kill()


def packed(store: Path, *what: str) -> None:
    subprocess.run(
        ["openssl", "pkcs12", "-export", *what, "-out", store, "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )


def trusted(store: Path, certificate: Path) -> None:
    """Java trusts what keytool put there."""
    subprocess.run(
        [
            *("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", certificate),
            *("-keystore", store, "-storetype", "PKCS12", "-storepass", "secret"),
        ],
        check=True,
        capture_output=True,
    )


def apply_when_users_are_there(settings: CassandraSettings) -> None:
    """A new node makes its first user after it listens."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            cassandra_schema.apply(settings)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


async def test_private_both_drivers_speak_tls_and_log_in(secured: CassandraSettings) -> None:
    session = CassandraSession(secured, READING)
    assert await session.read("mark", [1, 4, 0]) == []
    await session.close()


async def test_private_a_wrong_password_is_said(secured: CassandraSettings) -> None:
    wrong = secured.model_copy(update={"password": SecretStr("guess")})
    with pytest.raises(Unavailable, match="refuses user cassandra"):
        await asyncio.to_thread(cassandra_schema.status, wrong)
    session = CassandraSession(wrong, READING)
    with pytest.raises(Unavailable, match=r"credentials|password"):
        await session.read("mark", [1, 4, 0])
    await session.close()


async def test_private_a_node_of_another_authority_is_not_believed(
    secured: CassandraSettings, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    other.found()
    stranger = secured.model_copy(update={"ca_file": other.certificate})
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await asyncio.to_thread(cassandra_schema.status, stranger)
    session = CassandraSession(stranger, READING)
    with pytest.raises(Unavailable, match=r"[Cc]ertificate"):
        await session.read("mark", [1, 4, 0])
    await session.close()


async def test_private_a_certificate_of_another_address_is_not_believed(
    secured: CassandraSettings,
) -> None:
    port = free_port()
    elsewhere = secured.model_copy(update={"contact_points": (f"127.0.0.8:{port}",)})
    async with forwarding("127.0.0.8", port, secured.contact_port):
        with pytest.raises(Unavailable, match="address mismatch"):
            await asyncio.to_thread(cassandra_schema.status, elsewhere)
        session = CassandraSession(elsewhere, READING)
        with pytest.raises(Unavailable, match="does not match"):
            await session.read("mark", [1, 4, 0])
        await session.close()
        lax = elsewhere.model_copy(update={"verify_address": False})
        assert await asyncio.to_thread(cassandra_schema.status, lax)
        session = CassandraSession(lax, READING)
        assert await session.read("mark", [1, 4, 0]) == []
        await session.close()


def test_a_file_that_is_of_no_use_is_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    with pytest.raises(WrongState, match=r"not PEM.*nothing\.pem"):
        cassandra_schema.status(CassandraSettings(ca_file=nothing))
    with pytest.raises(WrongState, match=r"absent\.pem"):
        cassandra_schema.status(CassandraSettings(ca_file=tmp_path / "absent.pem"))
