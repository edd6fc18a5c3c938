"""What stands beside a lane's embedded inbox while it moves to Cassandra: a snapshot to copy from, and how far the move came."""

from pathlib import Path
from shutil import rmtree
from uuid import uuid4

from rocksdict import Checkpoint

from reno.adapters.rocks_directory import InboxMismatch, RocksDirectory

MOVE_KEY = b"move"


class RocksMove:
    """Of the directory of one processor's shards. `begin` and `give_up` want it open and nothing appended yet: so no row is in neither the snapshot nor Cassandra."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.snapshot = directory.with_name(f"{directory.name}.snapshot")
        """What the inbox was when the move began; its files are shared with the inbox."""
        self._copied = directory.with_name(f"{directory.name}.copied")
        self._retired = directory.with_name(f"{directory.name}.retired")

    def begin(self, opened: RocksDirectory) -> str:
        """The move's name. The move that is under way goes on, else a new one begins. Raises InboxMismatch when Cassandra has taken over."""
        self._expect_in_use()
        kept = opened.store.get(MOVE_KEY)
        if kept is not None and self.snapshot.exists():
            return bytes(kept).decode()
        self._forget()
        name = uuid4().hex
        opened.store.put(MOVE_KEY, name.encode())
        opened.store.flush_wal(True)
        Checkpoint(opened.store).create_checkpoint(str(self.snapshot))
        return name

    def give_up(self, opened: RocksDirectory) -> None:
        """What is stored from now on is not in Cassandra: a later move begins anew. Raises InboxMismatch when Cassandra has taken over."""
        self._expect_in_use()
        if opened.store.get(MOVE_KEY) is not None:
            opened.store.delete(MOVE_KEY)
            opened.store.flush_wal(True)
        self._forget()

    def complete(self) -> None:
        """Everything is in Cassandra. Nothing is said of a move that was given up meanwhile."""
        if self.snapshot.exists():
            self._copied.touch()

    def retire(self) -> None:
        """Cassandra takes over: from now on the directory misses what is stored. Raises InboxMismatch where Cassandra may miss what the directory has."""
        if not (self._directory / "CURRENT").exists():
            return
        if not self._copied.exists():
            raise InboxMismatch(
                f"{self._directory} was not copied to Cassandra: move it as docs/moving.md says, or delete it where nobody wants its rows"
            )
        self._retired.touch()

    def _expect_in_use(self) -> None:
        if self._retired.exists():
            raise InboxMismatch(
                f"{self._directory} misses what Cassandra has stored since it took over: delete {self._directory}* to begin with nothing"
            )

    def _forget(self) -> None:
        self._copied.unlink(missing_ok=True)
        rmtree(self.snapshot, ignore_errors=True)
