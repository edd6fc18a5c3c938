"""The files of TLS to Cassandra, as both drivers want them."""

import errno
import ssl
from pathlib import Path
from typing import overload

from reno.config.cassandra_settings import CassandraSettings


@overload
def pem(path: Path) -> str: ...
@overload
def pem(path: None) -> None: ...
@overload
def pem(path: Path | None) -> str | None: ...
def pem(path: Path | None) -> str | None:
    """What the file holds. Raises OSError naming it where that is no PEM."""
    if path is None:
        return None
    text = path.read_bytes().decode("ascii", errors="replace")
    if "-----BEGIN " not in text:
        raise OSError(errno.EINVAL, "not PEM", str(path))
    return text


def context_of(settings: CassandraSettings) -> ssl.SSLContext | None:
    """None without ca_file. Raises OSError naming the file that is of no use."""
    if settings.ca_file is None:
        return None
    certificate, key = settings.certificate_file, settings.key_file
    try:
        context = ssl.create_default_context(cadata=pem(settings.ca_file))
        context.check_hostname = settings.verify_address
        if certificate is not None and key is not None:
            context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        path = certificate or settings.ca_file
        raise OSError(errno.EINVAL, f"no certificate of use: {error}", str(path)) from error
    return context
