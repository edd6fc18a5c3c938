"""Cancellation through a library that may lose it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Answer = TypeVar("Answer")


async def heeding_cancellation(request: Awaitable[Answer]) -> Answer:
    """The request's answer; CancelledError whenever the task was cancelled meanwhile. nats-py waits by asyncio.wait_for, which before Python 3.12
    returns an answer that came in the same moment as a cancellation, and forgets the cancellation: a task that loops over requests would then never end."""
    task = asyncio.current_task()
    assert task is not None
    cancelled = task.cancelling()
    try:
        return await request
    finally:
        if task.cancelling() > cancelled:
            raise asyncio.CancelledError
