-- How long a session or a turn took. Made by PostgreSQL, so that every writer's rows have it. Rows that are there get theirs
-- now, which rewrites 30 days of the journal once.
ALTER TABLE sync_journal ADD COLUMN duration_ms bigint NOT NULL
    GENERATED ALWAYS AS (round(extract(epoch FROM finished_at - started_at) * 1000)) STORED;
