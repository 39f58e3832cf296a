-- The telemetry store. Written by the collector alone; others read it.
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value
);

CREATE TABLE channels (
    channel_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    unit TEXT,
    phys_min REAL,
    phys_max REAL,
    description TEXT
);

CREATE TABLE readings (
    seq INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    value REAL,
    UNIQUE (time_us, channel_id)
);

CREATE TABLE alarms (
    alarm_id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    channel_id INTEGER NOT NULL,
    severity TEXT,
    message TEXT,
    raised_us INTEGER NOT NULL,
    resolved_us INTEGER
);
