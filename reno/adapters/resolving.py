"""Which addresses stand behind a name, as a headless service has several."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence


async def resolve(address: str) -> Sequence[str]:
    """HOST:PORT as IP:PORT, once for each; an IP address, or a name that means this machine, is left as it is. Raises OSError where the name is not known."""
    host, _, port = address.rpartition(":")
    if host == "localhost" or is_ip(host):
        return [address]
    found = await asyncio.get_running_loop().getaddrinfo(
        host, int(port), family=socket.AF_INET, type=socket.SOCK_STREAM
    )
    return sorted({f"{at[0]!s}:{port}" for *_, at in found})


def is_ip(host: str) -> bool:
    """An address, IPv6 in brackets or without."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
