-- What sync_service remembers of a vehicle between its turns, and which process has which vehicles. Rows are made on
-- demand: a vehicle without them is as good as one that has them.

-- Beside what vehicles and sync_cursor have. live_from, live_to: readings between them (the vehicle's clock) are home too,
-- though last_sync_at is still before live_from: the gap between is being filled. By seq of store_id the same with
-- live_after_seq and live_seq. clock_offset_ms: the vehicle's clock minus ours when they were compared last. removed_at:
-- it is no longer of the fleet, is not pulled and not listed; what came home of it stays.
CREATE TABLE vehicle_sync (
    vehicle_id       integer PRIMARY KEY REFERENCES vehicles (vehicle_id) ON DELETE CASCADE,
    live_from        timestamptz,
    live_to          timestamptz,
    store_id         text,
    live_after_seq   bigint,
    live_seq         bigint,
    clock_offset_ms  bigint,
    clock_checked_at timestamptz,
    accept_new_agent boolean NOT NULL DEFAULT false,
    silent_after_s   integer,
    removed_at       timestamptz
);

-- The processes that pull: each says until when it lives.
CREATE TABLE sync_workers (
    worker_id  text PRIMARY KEY,
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- Who pulls a vehicle; it counts while the holder's row of sync_workers has not expired. NULL: nobody.
CREATE TABLE vehicle_leases (
    vehicle_id integer PRIMARY KEY REFERENCES vehicles (vehicle_id) ON DELETE CASCADE,
    holder     text
);
CREATE INDEX vehicle_leases_holder ON vehicle_leases (holder);

-- Readings that say they are of the future, until their time has come: a clock that was ahead loses none and shows none
-- as the latest.
CREATE TABLE measurements_quarantine (
    vehicle_id  integer     NOT NULL,
    channel_id  integer     NOT NULL,
    time        timestamptz NOT NULL,
    value       double precision,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (vehicle_id, channel_id, time)
);
CREATE INDEX measurements_quarantine_time ON measurements_quarantine (vehicle_id, time);

-- The machine's number of a channel is looked up with every reading that came by it.
CREATE INDEX channel_config_remote_id ON channel_config (vehicle_id, remote_id);

SELECT fleet_protect(protected::regclass)
FROM unnest(ARRAY['vehicle_sync', 'vehicle_leases', 'measurements_quarantine']) AS protected;
