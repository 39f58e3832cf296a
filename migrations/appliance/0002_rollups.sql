-- Of each channel and each half minute with readings the least and the greatest value, so that a month can be drawn
-- without reading a month. Made by the collector from the readings up to meta's `rollup_seq`. Both NULL: only nulls.
CREATE TABLE rollups (
    channel_id INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    min REAL,
    max REAL,
    PRIMARY KEY (channel_id, start_us)
) WITHOUT ROWID;
