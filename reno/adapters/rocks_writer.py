"""The one thread that writes to a RocksDB directory: what arrives during a sync shares the next one."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from shutil import disk_usage

from rocksdict import Rdict, WriteBatch, WriteOptions

from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable

MAX_WAITING_WRITES = 1024
STALL_S = 5.0
"""How long a write waits for compactions that have fallen behind."""
STALL_RETRY_S = 0.002
RETRY_AFTER_S = 0.1

ROOM_BYTES = 64 << 20
"""Free on the disk, before it is worth to open a directory anew that could not be written: a write buffer is flushed then."""

Fill = Callable[[], WriteBatch]


class InboxBroken(Exception):
    """The directory takes no more writes until it is opened again."""


class RocksWriter:
    """Each write is one atomic batch; they are written in the order of the calls."""

    def __init__(self, store: Rdict, *, max_waiting: int = MAX_WAITING_WRITES) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inbox-writer")
        self._waiting: list[tuple[Fill, asyncio.Future[None]]] = []
        self._is_running = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        # rocksdict holds the GIL while it writes, and a synced or a stalled write would hold it for as long as the disk takes. flush_wal
        # lets go of it: write without sync and without waiting, then sync the WAL.
        self._options = WriteOptions()
        self._options.sync = False
        self._options.no_slowdown = True

    async def write(self, fill: Fill) -> None:
        """`fill` makes the batch, in the writer's thread and after every earlier write; again, where it must be tried again. Synced when it returns. Raises errors.Unavailable when the disk is full, InboxBroken
        when it refuses for another reason or has room again (what was written may then come to light later, whole), errors.TryLater when too many writes wait, and what fill raises."""
        if self._is_closed:
            raise Unavailable(Reason.NOT_READY, "the inbox is closed")
        if len(self._waiting) >= self._max_waiting:
            raise TryLater(
                Reason.FULL, "too many writes wait for the inbox", retry_after_s=RETRY_AFTER_S
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((fill, done))
        if not self._is_running:
            self._start()
        await done

    async def close(self) -> None:
        """Takes no new writes, finishes those that wait."""
        self._is_closed = True
        await self._idle.wait()
        self._thread.shutdown()

    def _start(self) -> None:
        group, self._waiting = self._waiting, []
        self._is_running = True
        self._idle.clear()
        loop = asyncio.get_running_loop()

        def finish(running: Future[list[Exception | None]]) -> None:
            loop.call_soon_threadsafe(self._finish, group, running)

        self._thread.submit(self._write_group, [fill for fill, _ in group]).add_done_callback(
            finish
        )

    def _finish(
        self,
        group: list[tuple[Fill, asyncio.Future[None]]],
        running: Future[list[Exception | None]],
    ) -> None:
        for (_, done), error in zip(group, running.result(), strict=True):
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        self._is_running = False
        if self._waiting:
            self._start()
        else:
            self._idle.set()

    def _write_group(self, fills: list[Fill]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for fill in fills:
            try:
                self._write(fill)
            except Exception as error:  # noqa: BLE001 - handed to the caller whose write it is
                outcomes.append(error)
            else:
                outcomes.append(None)
        try:
            self._store.flush_wal(True)
        except Exception as error:  # noqa: BLE001 - rocksdict has no class of its own; handed to all callers
            return [outcome or self._refused(error) for outcome in outcomes]
        return outcomes

    def _write(self, fill: Fill) -> None:
        # A batch is spent by a write, also by one that failed: each attempt makes its own.
        give_up_at = time.monotonic() + STALL_S
        while True:
            batch = fill()
            try:
                self._store.write(batch, self._options)
            except Exception as error:
                if not is_stalled(error) or time.monotonic() >= give_up_at:
                    raise self._refused(error) from error
            else:
                return
            time.sleep(STALL_RETRY_S)

    def _refused(self, error: Exception) -> Unavailable | InboxBroken:
        """RocksDB writes nothing more after its log's first failure, but is still read: its end must be worth something."""
        refused: Unavailable | InboxBroken
        if is_stalled(error) or not _has_room(self._store.path()):
            refused = Unavailable(Reason.NOT_READY, f"the inbox cannot write: {error}")
        else:
            refused = InboxBroken(f"the inbox must be opened again: {error}")
        refused.__cause__ = error
        return refused


def is_stalled(error: Exception) -> bool:
    """RocksDB would have waited for its compactions, and was told not to."""
    return str(error).startswith("Result incomplete")


def _has_room(path: str) -> bool:
    try:
        return disk_usage(path).free >= ROOM_BYTES
    except OSError:
        return True  # there is no disk to wait for
