"""What the inbox asks of Cassandra, by name."""

READING = {
    "lane": "SELECT shards FROM lanes WHERE lane = ?",
    "mark": "SELECT mark, moving, moved FROM marks WHERE lane = ? AND shard = ?",
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
    "journal": "INSERT INTO journal (lane, shard, bucket, mark, entry) VALUES (?, ?, ?, ?, ?) USING TTL ?",
    "raise": "INSERT INTO marks (lane, shard, mark, entry) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    "trim": "INSERT INTO marks (lane, shard, trimmed_before) VALUES (?, ?, ?) USING TIMESTAMP ?",
    "newest": "SELECT mark, entry, trimmed_before, moving, moved FROM marks"
    " WHERE lane = ? AND shard = ?",
    "move": "INSERT INTO marks (lane, shard, moving) VALUES (?, ?, ?)",
    "entries": "SELECT mark, entry FROM journal"
    " WHERE lane = ? AND shard = ? AND bucket = ? AND mark > ? AND mark <= ? LIMIT ?",
}

COPYING = {
    **STORING,
    "moving": "SELECT moving FROM marks WHERE lane = ? AND shard = ?",
    "moved": "INSERT INTO marks (lane, shard, moved) VALUES (?, ?, ?)",
}
