"""How a connection to the log's servers is encrypted."""

import errno
import ssl
from pathlib import Path

from reno.config.settings import LogSettings


def tls_of(settings: LogSettings) -> ssl.SSLContext | None:
    """None where the servers are nats://. Servers are verified, by ca_file or else by the machine's authorities. Raises OSError naming the file that is of no use."""
    if not settings.is_tls:
        return None
    context = ssl.create_default_context(cadata=_read(settings.ca_file))
    certificate, key = settings.certificate_file, settings.key_file
    if certificate is not None and key is not None:
        _read(certificate)
        _read(key)
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise _of_no_use(certificate, f"not a certificate of the key in {key}") from error
    return context


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise _of_no_use(path, "not PEM") from error
    if "-----BEGIN " not in text:
        raise _of_no_use(path, "not PEM")
    return text


def _of_no_use(path: Path, why: str) -> OSError:
    return OSError(errno.EINVAL, why, str(path))
