"""Rows that go into the log together, already serialised: a part of an Envelope. While they wait for their envelope they are a few bytes objects, not a dozen objects a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from reno.v1.envelope_pb2 import Envelope
from reno.wire.logged_row import LoggedRow


@dataclass(frozen=True, slots=True)
class Bundle:
    """`columns` has the repeated fields of an Envelope: what stands behind each other there is one list. The others are joined when their envelope is sealed; indexes count from the bundle's first row."""

    columns: bytes
    identities: bytes
    quiet: Sequence[int]
    traceparents: Mapping[int, str]
    events: int
    size_bytes: int
    """Of its part of an envelope, at most."""


def bundle_of(logged: Sequence[LoggedRow]) -> Bundle:
    """One row at least."""
    rows, keys, identities, windows_ms, expire_at_ms, quiet, traceparents, sizes_bytes = zip(
        *logged, strict=True
    )
    columns = Envelope(
        rows=rows, member_keys=keys, window_ms=windows_ms, expires_at_ms=expire_at_ms
    )
    return Bundle(
        columns.SerializeToString(),
        b"".join(identities),
        tuple(compress(range(len(rows)), quiet)),
        dict(compress(enumerate(traceparents), traceparents)),
        len(rows),
        sum(sizes_bytes),
    )


def seal(envelope_id: bytes, bundles: Sequence[Bundle]) -> bytes:
    """A serialised Envelope of all of them, in their order."""
    quiet: list[int] = []
    traceparents: dict[int, str] = {}
    before = 0
    for bundle in bundles:
        quiet += [before + index for index in bundle.quiet]
        traceparents.update({before + at: text for at, text in bundle.traceparents.items()})
        before += bundle.events
    rest = Envelope(
        id=envelope_id,
        identities=b"".join([bundle.identities for bundle in bundles]),
        quiet=quiet,
        traceparents=traceparents,
    ).SerializeToString(deterministic=True)
    return b"".join([*(bundle.columns for bundle in bundles), rest])
