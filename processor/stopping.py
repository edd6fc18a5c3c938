"""How a processor's tasks learn that they should come to an end."""

import asyncio


class Stopping:
    """Said once, for good, to every task of the process."""

    def __init__(self) -> None:
        self._said = asyncio.Event()

    @property
    def said(self) -> bool:
        """The process drains."""
        return self._said.is_set()

    def say(self) -> None:
        """From now on tasks finish what they hold and end."""
        self._said.set()

    async def wait(self) -> None:
        """Until it is said."""
        await self._said.wait()

    async def said_within(self, seconds: float) -> bool:
        """A pause that ends early when it is said; True when it was."""
        try:
            async with asyncio.timeout(seconds):
                await self._said.wait()
        except TimeoutError:
            return False
        return True
