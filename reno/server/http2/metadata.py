"""Metadata as headers and back: binary values are base64 without padding under names that end in -bin. Pure."""

import base64
import binascii
from collections.abc import Iterable, Iterator

Headers = list[tuple[bytes, bytes]]
Value = str | bytes

_BINARY = "-bin"


def to_headers(metadata: Iterable[tuple[str, Value]]) -> Headers:
    """As they are sent."""
    return [(name.encode(), _packed(value)) for name, value in metadata]


def from_headers(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Value]]:
    """As handlers see it. Raises ValueError for a binary value that is none."""
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if not name.endswith(_BINARY):
            yield name, value
            continue
        for part in value.split(","):
            yield name, _unpacked(part.strip())


def _packed(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return base64.b64encode(value).rstrip(b"=")


def _unpacked(text: str) -> bytes:
    padding = "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text + padding, validate=True)
    except binascii.Error as error:
        raise ValueError("a value under a name in -bin is no base64") from error
