"""Several requests at once, none of them left behind."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from reno.domain.reason import Reason
from reno.errors import Unavailable

Answer = TypeVar("Answer")


async def together(requests: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """The answers in order. Raises what the first that failed raised, when all others have ended too."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


@asynccontextmanager
async def answered_within(timeout_s: float, who: str) -> AsyncIterator[None]:
    """Raises errors.Unavailable where it takes longer."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise Unavailable(Reason.NOT_READY, f"{who}: no answer in {timeout_s:g} s") from error
