-- What the machine says of a channel in words; synced_at of channel_config: as of when the machine described it.
ALTER TABLE channel_config ADD COLUMN description TEXT;

-- What a channel was before its machine described it otherwise: what held, when the last readings under it came
-- (NULL: unknown), and when the change was seen. change_id counts up within a vehicle.
CREATE TABLE channel_changes (
    vehicle_id  INTEGER NOT NULL REFERENCES vehicles (vehicle_id),
    change_id   INTEGER NOT NULL,
    channel_id  INTEGER NOT NULL,
    unit        TEXT,
    min_value   REAL,
    max_value   REAL,
    description TEXT,
    held_until  TEXT,
    seen_at     TEXT    NOT NULL,
    PRIMARY KEY (vehicle_id, change_id)
) WITHOUT ROWID;
