"""What every section of the settings is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    is_number = port.isascii() and port.isdigit()
    # gRPC takes a larger port without a word, and listens on another.
    if not (host and colon and is_number and int(port) < 65_536) or set(host) & set(": \t\n"):
        raise ValueError("an address is host:port, the port 0 to 65535")
    return text


Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
