"""What the inbox asks of Cassandra, by name."""

READING = {
    "lane": "SELECT shards FROM lanes WHERE lane = ?",
    "mark": "SELECT mark, moving, moved, left FROM marks"
    " WHERE lane = ? AND shards = ? AND shard = ?",
    "rows": "SELECT position, expires_at, row FROM rows"
    " WHERE member = ? AND lane = ? AND position > ? AND position <= ? LIMIT ?",
    "newest_positions": "SELECT position FROM rows"
    " WHERE member = ? AND lane = ? AND position > ? AND position < ? ORDER BY position DESC LIMIT ?",
    "acknowledged": "SELECT position FROM acknowledged WHERE member = ? AND lane = ? AND device = ?",
    # The highest wins, whoever writes last.
    "acknowledge": "INSERT INTO acknowledged (member, lane, device, position) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ? AND TTL ?",
}

STORING = {
    **READING,
    "claim": "INSERT INTO lanes (lane, shards) VALUES (?, ?) IF NOT EXISTS",
    "keep": "INSERT INTO rows (member, lane, position, expires_at, row) VALUES (?, ?, ?, ?, ?) USING TTL ?",
    "journal": "INSERT INTO journal (lane, shards, shard, bucket, mark, entry)"
    " VALUES (?, ?, ?, ?, ?, ?) USING TTL ?",
    "raise": "INSERT INTO marks (lane, shards, shard, mark, entry) VALUES (?, ?, ?, ?, ?)"
    " USING TIMESTAMP ?",
    "trim": "INSERT INTO marks (lane, shards, shard, trimmed_before) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?",
    "newest": "SELECT mark, entry, trimmed_before, moving, moved FROM marks"
    " WHERE lane = ? AND shards = ? AND shard = ?",
    "move": "INSERT INTO marks (lane, shards, shard, moving) VALUES (?, ?, ?, ?)",
    "entries": "SELECT mark, entry FROM journal"
    " WHERE lane = ? AND shards = ? AND shard = ? AND bucket = ? AND mark > ? AND mark <= ? LIMIT ?",
}

COPYING = {
    **STORING,
    "moving": "SELECT moving FROM marks WHERE lane = ? AND shards = ? AND shard = ?",
    "moved": "INSERT INTO marks (lane, shards, shard, moved) VALUES (?, ?, ?, ?)",
}

RESHARDING = {
    **STORING,
    "stored": "SELECT shards, shards_before FROM lanes WHERE lane = ?",
    "reshard": "UPDATE lanes SET shards = ?, shards_before = ? WHERE lane = ? IF shards = ?",
    # Both with a mark as timestamp: what was begun last stands.
    "begin": "INSERT INTO marks (lane, shards, shard, mark, entry, left) VALUES (?, ?, ?, ?, ?, false)"
    " USING TIMESTAMP ?",
    "leave": "INSERT INTO marks (lane, shards, shard, left) VALUES (?, ?, ?, true) USING TIMESTAMP ?",
}
