"""Joins serialised parts into messages without parsing them: a hop that does not look inside need not."""

from collections.abc import Iterable


def varint(value: int) -> bytes:
    """Protobuf's base-128 encoding of a number that is not negative."""
    return _SHORT[value] if value < len(_SHORT) else _encoded(value)


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = tuple(map(_encoded, range(1 << 10)))
"""Of lengths, nearly always."""


def repeated(field_number: int, parts: Iterable[bytes]) -> bytes:
    """A repeated message or bytes field, from its serialised elements."""
    tag = varint(field_number << 3 | 2)
    return b"".join([piece for part in parts for piece in (tag, varint(len(part)), part)])
