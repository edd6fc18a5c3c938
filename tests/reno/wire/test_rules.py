"""A broken rule is said in words that a person can act on."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from protovalidate import Validator

from buf.validate import validate_pb2
from reno.v1.event_pb2 import Event
from reno.v1.presence_service_pb2 import GetPresenceRequest
from reno.wire.rules import words_of

_validator = Validator()
GOOD = Event(id="e", type="plan.changed", member_id="anna")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event(id="two words"), "only visible ASCII characters without spaces are allowed"),
        (Event(content_type="ü"), "only printable ASCII characters are allowed"),
        (Event(traceparent="here"), "not a W3C traceparent of version 00"),
        (Event(id="x" * 129), "must be at most 128 characters"),
    ],
)
def test_a_broken_rule_says_what_is_allowed(event: Event, words: str) -> None:
    whole = Event()
    whole.CopyFrom(GOOD)
    whole.MergeFrom(event)
    (violation,) = _validator.collect_violations(whole)
    assert words_of(violation) == words


@pytest.mark.parametrize("field", [*Event.DESCRIPTOR.fields, *GetPresenceRequest.DESCRIPTOR.fields])
def test_no_pattern_of_the_contract_is_without_words(field: FieldDescriptor) -> None:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    for pattern in (rules.string.pattern, rules.repeated.items.string.pattern):
        if pattern:
            message = Event() if field.containing_type is Event.DESCRIPTOR else GetPresenceRequest()
            if field.is_repeated:
                getattr(message, field.name).append("\x00")
            else:
                setattr(message, field.name, "\x00")
            said = [words_of(one) for one in _validator.collect_violations(message)]
            assert not any("regex" in words for words in said)
