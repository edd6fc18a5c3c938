"""What breaks a rule of the contract, in words that say what to send instead."""

from protovalidate import Violation

_PATTERNS = {
    "^[!-~]*$": "only visible ASCII characters without spaces are allowed",
    "^[ -~]*$": "only printable ASCII characters are allowed",
    "^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$": "not a W3C traceparent of version 00",
}


def words_of(violation: Violation) -> str:
    """For a person; the rule's own words where it has no better ones here."""
    if violation.proto.rule_id == "string.pattern":
        return _PATTERNS.get(str(violation.rule_value), violation.proto.message)
    return violation.proto.message
