"""The files of TLS as clients of the log and of the inbox read them."""

import errno
import ssl
from pathlib import Path
from typing import overload


def client_context(
    ca_file: Path | None, certificate_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    """Verifies servers by ca_file, absent: by the machine's authorities; shows the certificate where there is one. Raises OSError naming the file that is of no use."""
    try:
        context = ssl.create_default_context(cadata=pem(ca_file))
    except ssl.SSLError as error:
        raise _of_no_use(ca_file, f"no certificate of use: {error}") from error
    if certificate_file is not None and key_file is not None:
        pem(certificate_file)
        pem(key_file)
        try:
            context.load_cert_chain(certificate_file, key_file)
        except ssl.SSLError as error:
            why = f"not a certificate of the key in {key_file}"
            raise _of_no_use(certificate_file, why) from error
    return context


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
        raise _of_no_use(path, "not PEM")
    return text


def _of_no_use(path: Path | None, why: str) -> OSError:
    return OSError(errno.EINVAL, why, str(path))
