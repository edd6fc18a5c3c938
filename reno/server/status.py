"""Errors as gRPC statuses with google.rpc details: the one table."""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from reno.domain.reason import Reason
from reno.errors import (
    CallerFault,
    NotAllowed,
    RenoError,
    Replaced,
    TryLater,
    Unauthenticated,
    Unavailable,
    WrongState,
)
from reno.wire.clock import duration

DOMAIN = "reno"

CODES: dict[type[RenoError], int] = {
    CallerFault: Code.INVALID_ARGUMENT,
    NotAllowed: Code.PERMISSION_DENIED,
    WrongState: Code.FAILED_PRECONDITION,
    TryLater: Code.RESOURCE_EXHAUSTED,
    Unavailable: Code.UNAVAILABLE,
    Replaced: Code.ABORTED,
    Unauthenticated: Code.UNAUTHENTICATED,
}


def status_of(error: RenoError) -> grpc.Status:
    """The status with ErrorInfo, BadRequest where a field is at fault and RetryInfo where waiting helps."""
    details: list[Message] = [ErrorInfo(reason=error.reason.name, domain=DOMAIN)]
    if error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, TryLater):
        details.append(RetryInfo(retry_delay=duration(error.retry_after_s)))
    packed = []
    for detail in details:
        wrapped = Any()
        wrapped.Pack(detail)
        packed.append(wrapped)
    # "must be at least 1 characters" says nothing to who sees only the text.
    where = f"{error.field}: " if error.field and error.reason is Reason.INVALID else ""
    message = f"{error.reason.name}: {where}{error.message}"
    status: grpc.Status = rpc_status.to_status(
        Status(code=CODES[type(error)], message=message, details=packed)
    )
    return status
