"""The cursor: where a device stands in every lane, when that was written, and whose it is. One string for push and pull."""

import binascii
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from zlib import crc32

from xxhash import xxh3_64_intdigest

from reno.domain.identity import Device
from reno.domain.position import MAX_POSITION
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, NotAllowed

FROM_ACKNOWLEDGED = -1
"""In place of a position, while the lane's inbox has not answered: begin after what the device acknowledged last."""

FROM_LATEST = -2
"""In place of a position, while the lane's inbox has not answered: begin with what comes from now on."""

_VERSION = 1
_LAYOUT = struct.Struct(">BHIQqqq")
_CHECKSUM = struct.Struct(">I")
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_LENGTH = _LAYOUT.size + _CHECKSUM.size


def owner_of(device: Device) -> int:
    """What a cursor knows its device by: 64 bits over member and device."""
    return xxh3_64_intdigest(device.member_key + b"\0" + device.device_id.encode())


@dataclass(frozen=True, slots=True)
class Cursor:
    """`positions` has every lane: a position, FROM_ACKNOWLEDGED or FROM_LATEST."""

    issued_at_ms: int
    owner: int
    positions: Mapping[Priority, int]

    def seal(self) -> str:
        """See seal_cursor."""
        return seal_cursor(self.issued_at_ms, self.owner, [self.positions[lane] for lane in LANES])

    @classmethod
    def open(cls, text: str, device: Device) -> Self:
        """Raises CallerFault (CURSOR_MALFORMED) and NotAllowed (CURSOR_FOREIGN)."""
        cursor = cls.parse(text)
        if cursor.owner != owner_of(device):
            raise NotAllowed(
                Reason.CURSOR_FOREIGN, "the cursor belongs to another device", field="cursor"
            )
        return cursor

    @classmethod
    def parse(cls, text: str) -> Self:
        """Whosever it is. Raises CallerFault (CURSOR_MALFORMED)."""
        sealed = _decode(text)
        if len(sealed) != _LENGTH:
            raise _malformed()
        body, checksum = sealed[: _LAYOUT.size], sealed[_LAYOUT.size :]
        version, issued_high, issued_low, owner, *positions = _LAYOUT.unpack(body)
        if version != _VERSION or _CHECKSUM.pack(crc32(body)) != checksum:
            raise _malformed()
        if not all(FROM_LATEST <= position <= MAX_POSITION for position in positions):
            raise _malformed()
        return cls(issued_high << 32 | issued_low, owner, dict(zip(LANES, positions, strict=True)))


def seal_cursor(issued_at_ms: int, owner: int, positions: Iterable[int]) -> str:
    """What a cursor is written as: URL-safe, without padding. `positions`: in the order of LANES. One goes with every frame."""
    body = _LAYOUT.pack(_VERSION, issued_at_ms >> 32, issued_at_ms & 0xFFFFFFFF, owner, *positions)
    return _encode(body + _CHECKSUM.pack(crc32(body))).decode()


def highest(one: Mapping[Priority, int], other: Mapping[Priority, int]) -> dict[Priority, int]:
    """Lane by lane the later position: acknowledging never goes back."""
    return {lane: max(one.get(lane, 0), other.get(lane, 0)) for lane in LANES}


def _encode(sealed: bytes) -> bytes:
    return binascii.b2a_base64(sealed, newline=False).translate(_TO_URL_SAFE, b"=")


def _decode(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        padded = raw.translate(_FROM_URL_SAFE) + b"=" * (-len(raw) % 4)
        sealed = binascii.a2b_base64(padded)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _malformed() from error
    # Base64 skips foreign characters, pads, and leaves bits of the last one unused: only what seal() writes is ours.
    if _encode(sealed) != raw:
        raise _malformed()
    return sealed


def _malformed() -> CallerFault:
    return CallerFault(
        Reason.CURSOR_MALFORMED, "the cursor is not one of ours: begin without one", field="cursor"
    )
