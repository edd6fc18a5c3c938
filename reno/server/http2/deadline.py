"""The header grpc-timeout. Pure."""

import re

_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def seconds_of(timeout: str) -> float:
    """Raises ValueError for what is no timeout."""
    match = _TIMEOUT.fullmatch(timeout)
    if match is None:
        raise ValueError(f"grpc-timeout {timeout!r}: up to 8 digits and one of HMSmun")
    return int(match[1]) * _UNIT_S[match[2]]
