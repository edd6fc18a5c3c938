"""What is a request, what it asks for, and what it is refused for."""

import pytest

from reno.server.http2.request import Malformed, check_trailers, request_of

PSEUDO = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"x"),
]
GRPC = [*PSEUDO, (b"te", b"trailers"), (b"content-type", b"application/grpc")]


def test_a_request() -> None:
    request = request_of(
        [
            *GRPC,
            (b"grpc-timeout", b"1500m"),
            (b"reno-member", b"anna"),
            (b"blob-bin", b"AAE,/w=="),
            (b"user-agent", b"me"),
        ]
    )
    assert (request.path, request.timeout_s, request.is_grpc) == ("/a.B/C", 1.5, True)
    assert request.metadata == (
        ("reno-member", "anna"),
        ("blob-bin", b"\0\1"),
        ("blob-bin", b"\xff"),
        ("user-agent", "me"),
    )


@pytest.mark.parametrize(
    ("kind", "is_grpc"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"application/grpc;x=y", True),
        (b"application/grpc-web", False),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_what_is_grpc(kind: bytes, is_grpc: bool) -> None:
    assert request_of([*PSEUDO, (b"content-type", kind)]).is_grpc is is_grpc


@pytest.mark.parametrize(
    "headers",
    [
        [],
        PSEUDO[1:],
        [*PSEUDO, PSEUDO[0]],
        [*PSEUDO[:2], (b":path", b"")],
        [(b"a", b"b"), *PSEUDO],
        [*PSEUDO, (b":status", b"200")],
        [*PSEUDO, (b"Upper", b"x")],
        [*PSEUDO, (b"", b"x")],
        [*PSEUDO, (b"connection", b"close")],
        [*PSEUDO, (b"transfer-encoding", b"chunked")],
        [*PSEUDO, (b"te", b"gzip")],
        [*GRPC, (b"grpc-timeout", b"soon")],
        [*GRPC, (b"x-bin", b"!!")],
    ],
)
def test_what_is_malformed(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        request_of(headers)


def test_trailers_of_a_request() -> None:
    check_trailers([(b"checksum", b"1")])
    with pytest.raises(Malformed):
        check_trailers([(b":path", b"/")])
    with pytest.raises(Malformed):
        check_trailers([(b"Checksum", b"1")])
