"""What the many processes of a test heed, and when."""

import signal
from pathlib import Path

import pytest

from tests.e2e.many import Member, address, heeds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def test_a_process_that_is_still_being_started_is_ended_in_order(tmp_path: Path) -> None:
    public = address()
    own = {
        "RENO_PRESENCE__LISTEN": public,
        "RENO_PRESENCE__LISTEN_INTERNAL": address(),
        "RENO_DATA_DIR": str(tmp_path),
    }
    health = (public, "reno.v1.PresenceService")
    member = Member("presence-0", ["presence"], own, health, tmp_path / "presence-0.log")
    member.start()
    assert member.process is not None
    assert not heeds(member.process.pid, signal.SIGTERM)
    await member.stop()
    assert '"stopped"' in member.log.read_text()
