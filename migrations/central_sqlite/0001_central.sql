-- The central store: what came home from every machine. Times of the tables that grow are microseconds since 1970 UTC
-- (_us), the others RFC 3339 text (_at). Every key of a table that grows begins with vehicle_id.

CREATE TABLE vehicles (
    vehicle_id       INTEGER PRIMARY KEY,
    client_id        TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL DEFAULT 'vehicle' CHECK (kind IN ('vehicle', 'plant', 'tracker', 'robot')),
    host             TEXT,
    agent_port       INTEGER,
    api_port         INTEGER NOT NULL DEFAULT 8001,
    transport        TEXT    NOT NULL DEFAULT 'agent' CHECK (transport IN ('agent', 'outbound', 'push')),
    api_key          TEXT,
    agent_id         TEXT,
    imei             TEXT,
    software_version TEXT,
    last_seen_at     TEXT,
    last_sync_at     TEXT,
    sync_status      TEXT
);

-- The last seq that is here, moved by the transaction that adds the rows it counts.
CREATE TABLE sync_cursor (
    vehicle_id INTEGER NOT NULL REFERENCES vehicles (vehicle_id),
    store_id   TEXT    NOT NULL,
    stream     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (vehicle_id, store_id, stream)
) WITHOUT ROWID;

-- channel_id is this store's own for (vehicle, name); remote_id is the machine's.
CREATE TABLE channel_config (
    vehicle_id INTEGER NOT NULL REFERENCES vehicles (vehicle_id),
    channel_id INTEGER NOT NULL,
    remote_id  INTEGER,
    name       TEXT    NOT NULL,
    unit       TEXT,
    min_value  REAL,
    max_value  REAL,
    synced_at  TEXT,
    PRIMARY KEY (vehicle_id, channel_id),
    UNIQUE (vehicle_id, name)
) WITHOUT ROWID;

-- value is NULL where the machine had none. No foreign keys: they would cost a look-up a row.
CREATE TABLE measurements (
    vehicle_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    time_us    INTEGER NOT NULL,
    value      REAL,
    PRIMARY KEY (vehicle_id, channel_id, time_us)
) WITHOUT ROWID;

CREATE TABLE alarms_log (
    vehicle_id  INTEGER NOT NULL,
    alarm_id    INTEGER NOT NULL,
    channel_id  INTEGER,
    severity    TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    raised_us   INTEGER NOT NULL,
    resolved_us INTEGER,
    PRIMARY KEY (vehicle_id, alarm_id)
) WITHOUT ROWID;

-- One row a session, kept for 30 days. journal_id counts up within a vehicle.
CREATE TABLE sync_journal (
    vehicle_id   INTEGER NOT NULL REFERENCES vehicles (vehicle_id),
    journal_id   INTEGER NOT NULL,
    started_at   TEXT    NOT NULL,
    finished_at  TEXT    NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('ok', 'timeout', 'error')),
    rows_written INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    note         TEXT    NOT NULL,
    PRIMARY KEY (vehicle_id, journal_id)
) WITHOUT ROWID;
