"""How a lane's processors hear of each other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reno.domain.priority import Priority


class Word(StrEnum):
    """What a processor says of itself."""

    COMING = "coming"
    """It listens, and has no share yet."""
    HERE = "here"
    """It wants its share."""
    GONE = "gone"
    """It has let go of everything; the last one."""


@dataclass(frozen=True, slots=True)
class Beat:
    """That one processor lives."""

    name: str
    word: Word


class Roster(Protocol):
    """Nothing is kept: who does not listen does not hear, and a beat may be lost."""

    async def say(self, priority: Priority, beat: Beat) -> None:
        """To all of the lane that listen, oneself among them; one sayer's beats stay in order. Raises LogAbsent where it cannot be sent."""
        ...

    def hear(self, priority: Priority) -> AsyncIterator[Beat]:
        """What is said from about now on; ends never, and waits while the log is away."""
        ...
