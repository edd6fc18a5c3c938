"""Which web pages may call, as Envoy's CORS filter is told. Pure."""

from collections.abc import Sequence
from typing import Any

CORS_FILTER = "envoy.filters.http.cors"
MAX_AGE_S = 24 * 3600

REQUEST_HEADERS = (
    "content-type",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
    "traceparent",
    "reno-member",
    "reno-device",
    "reno-class",
)
RESPONSE_HEADERS = ("grpc-status", "grpc-message", "grpc-status-details-bin")


def cors_policy(origins: Sequence[str]) -> dict[str, Any]:
    """With no origins a browser lets no page of another host call. A page that is not listed is answered without permission, by Envoy itself."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "POST",
        "allow_headers": ",".join(REQUEST_HEADERS),
        "expose_headers": ",".join(RESPONSE_HEADERS),
        "max_age": str(MAX_AGE_S),
        "forward_not_matching_preflights": False,
    }
