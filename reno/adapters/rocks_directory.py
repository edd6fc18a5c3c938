"""Opens a lane's RocksDB directory, exclusively, and gives it back whole."""

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, DBCompressionType, Options, Rdict

from reno.adapters import inbox_keys as keys
from reno.domain.priority import Priority
from reno.wire.envelope import Unreadable

BLOCK_CACHE_BYTES = 128 << 20
WRITE_BUFFER_BYTES = 8 << 20
FLUSHED_TOGETHER = 8
MAX_WRITE_BUFFERS = 20
"""A row is put into a sorted buffer: a small one stays in the processor's cache, which halves what that costs (4.6 to 2.8 us a row, with the flush), and several are flushed as one
file, as a large one was. A read looks into each; in the middle of such a fill one of a member's slice took as long as before, some 20 us."""
MAX_WAL_BYTES = 512 << 20
MAX_OPEN_FILES = 4096
MAX_LOG_FILES = 4

FAMILIES = ("rows", "journal", "acknowledged")


class InboxLocked(Exception):
    """Another inbox, in this process or another one, holds the directory."""


class InboxMismatch(Exception):
    """The directory belongs to another lane or other shards, or was written with another shard count."""


class RocksDirectory:
    """The open directory. `newest` is each shard's newest journal place, None where there is none.

    RocksDB's TTL drops what was written more than keep_s ago, whenever it compacts, in every column family. Rows and acknowledged marks mean nothing by then, but a
    quiet shard's newest journal entry does: the journal is compacted only after it was renewed here.
    """

    def __init__(
        self, directory: Path, priority: Priority, shards: int, keep_s: int, owned: str = ""
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.store = open_store(
            directory,
            keep_s,
            BLOCK_CACHE_BYTES,
            held="is held by another inbox",
            compacted=("rows", "acknowledged"),
        )
        self.rows = self.store.get_column_family("rows")
        self.journal = self.store.get_column_family("journal")
        self.acknowledged = self.store.get_column_family("acknowledged")
        self.rows_handle = self.store.get_column_family_handle("rows")
        self.journal_handle = self.store.get_column_family_handle("journal")
        self.acknowledged_handle = self.store.get_column_family_handle("acknowledged")
        try:
            self._claim(priority, shards, owned)
            self.newest = [self._renew_newest(priority, shard) for shard in range(shards)]
            self.store.flush_wal(True)
            self.journal.set_options({"disable_auto_compactions": "false"})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Releases the directory: every handle must go, or its lock stays."""
        del self.rows_handle, self.journal_handle, self.acknowledged_handle
        with ExitStack() as handles:
            for handle in (self.store, self.acknowledged, self.journal, self.rows):
                handles.callback(handle.close)

    def _claim(self, priority: Priority, shards: int, owned: str) -> None:
        """The default column family holds only this and is never compacted, so that it never ages."""
        mine = keys.layout_value(priority, shards, owned)
        kept = self.store.get(keys.LAYOUT_KEY)
        if kept is None:
            self.store.put(keys.LAYOUT_KEY, mine)
        elif kept[:1] != keys.LAYOUT_VERSION:
            raise Unreadable(f"inbox directory of version {kept[:1].hex() or 'none'}")
        elif kept != mine:
            raise InboxMismatch(f"{self.store.path()} holds {_layout(kept)}, not {_layout(mine)}")

    def _renew_newest(self, priority: Priority, shard: int) -> int | None:
        newest = newest_entry(self.journal, keys.journal_prefix(priority, shard))
        if newest is None:
            return None
        place, key, value = newest
        keys.entry_of(place, value)  # an unreadable newest entry must be known now, not in the fold
        self.journal.put(key, value)
        return place


def _layout(value: bytes) -> str:
    lane, shards, owned = keys.layout_parts(value)
    return f"lane {lane} with shards {owned or 'all'} of {shards}"


def open_store(
    directory: Path, keep_s: int, cache_bytes: int, *, held: str, compacted: Collection[str] = ()
) -> Rdict:
    """With every column family, of which the `compacted` lose what is too old. Raises InboxLocked, saying that the directory is `held`."""
    cache = Cache(cache_bytes)
    try:
        return Rdict(
            str(directory),
            options=_options(cache, compact=False),
            column_families={name: _options(cache, compact=name in compacted) for name in FAMILIES},
            access_type=AccessType.with_ttl(keep_s),
        )
    except Exception as error:
        if f"{directory}/LOCK: " in str(error):
            raise InboxLocked(f"{directory} {held}") from error
        raise


def newest_entry(journal: Rdict, prefix: bytes) -> tuple[int, bytes, bytes] | None:
    """Place, key and value of a shard's newest entry."""
    cursor = journal.iter()
    cursor.seek_for_prev(keys.journal_key(prefix, keys.END))
    cursor.status()
    place = keys.place_after(prefix, cursor.key()) if cursor.valid() else None
    return None if place is None else (place, cursor.key(), cursor.value())


def _options(cache: Cache, *, compact: bool) -> Options:
    """Of a column family."""
    made = Options(raw_mode=True)
    made.create_if_missing(True)
    made.create_missing_column_families(True)
    made.set_disable_auto_compactions(not compact)
    made.set_write_buffer_size(WRITE_BUFFER_BYTES)
    made.set_min_write_buffer_number_to_merge(FLUSHED_TOGETHER)
    made.set_max_write_buffer_number(MAX_WRITE_BUFFERS)
    made.set_max_total_wal_size(MAX_WAL_BYTES)
    made.set_max_open_files(MAX_OPEN_FILES)
    made.set_max_background_jobs(2)
    made.set_keep_log_file_num(MAX_LOG_FILES)
    made.set_compression_type(DBCompressionType.lz4())
    blocks = BlockBasedOptions()
    blocks.set_block_cache(cache)
    blocks.set_bloom_filter(10, False)
    made.set_block_based_table_factory(blocks)
    return made
