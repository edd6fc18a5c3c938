"""What speaks gRPC at a door."""

from typing import Annotated

from pydantic import Field

GRPCIO = "grpcio"
H2 = "h2"

Transport = Annotated[str, Field(pattern=f"^({GRPCIO}|{H2})$")]
