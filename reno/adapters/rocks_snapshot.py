"""A snapshot of an embedded inbox, read from one key to the next by `reno inbox copy`; it keeps how far that came."""

from contextlib import ExitStack
from pathlib import Path

from reno.adapters import inbox_keys as keys
from reno.adapters.copy_progress import FAMILIES, Progress
from reno.adapters.rocks_directory import newest_entry, open_store
from reno.adapters.rocks_move import MOVE_KEY
from reno.domain.priority import Priority
from reno.domain.shard_set import parse_shards
from reno.ports import JournalEntry, Shard

PROGRESS_KEY = b"progress"
CACHE_BYTES = 32 << 20
CHUNK_KEYS = 512
CHUNK_BYTES = 4 << 20
Chunk = list[tuple[bytes, bytes]]


class RocksSnapshot:
    """Open, and locked against a second copy. Raises InboxLocked, and reno.wire.envelope.Unreadable where another version wrote it."""

    def __init__(self, directory: Path) -> None:
        # With KEEP_S, since the snapshot's values carry their times as the inbox's do.
        self._store = open_store(
            directory, keys.KEEP_S, CACHE_BYTES, held="is being copied by another process"
        )
        self._families = {name: self._store.get_column_family(name) for name in FAMILIES}
        try:
            lane, shards, owned = keys.layout_parts(self._value(keys.LAYOUT_KEY))
            self.move = self._value(MOVE_KEY).decode()
            self.priority = Priority(lane)
            self.shards = [
                Shard(self.priority, number, shards)
                for number in parse_shards(owned or "all").of(shards)
            ]
            """That were kept there."""
        except BaseException:
            self.close()
            raise

    def about(self, family: str) -> int:
        """How many keys a family may have: an estimate."""
        return self._families[family].property_int_value("rocksdb.estimate-num-keys") or 0

    def chunk(self, family: str, after: bytes) -> Chunk:
        """The next keys and their values, in order; none at the end."""
        cursor = self._families[family].iter()
        cursor.seek(after)
        found: Chunk = []
        room = CHUNK_BYTES
        while len(found) < CHUNK_KEYS and room > 0 and cursor.valid():
            key, value = bytes(cursor.key()), bytes(cursor.value())
            if key != after:
                found.append((key, value))
                room -= len(value)
            cursor.next()
        cursor.status()
        return found

    def newest(self, shard: Shard) -> JournalEntry | None:
        """Of the journal."""
        prefix = keys.journal_prefix(shard.priority, shard.number)
        newest = newest_entry(self._families["journal"], prefix)
        if newest is None:
            return None
        place, _, value = newest
        return keys.entry_of(place, value)

    def progress(self) -> Progress:
        """Where the last copy stopped."""
        kept = self._store.get(PROGRESS_KEY)
        return Progress() if kept is None else Progress.parse(bytes(kept))

    def keep(self, progress: Progress) -> None:
        """Not synced: after a crash of the machine a copy goes on from somewhat earlier."""
        self._store.put(PROGRESS_KEY, progress.text())

    def close(self) -> None:
        """Releases the directory."""
        with ExitStack() as handles:
            for handle in (self._store, *self._families.values()):
                handles.callback(handle.close)

    def _value(self, key: bytes) -> bytes:
        return bytes(self._store.get(key) or b"")
