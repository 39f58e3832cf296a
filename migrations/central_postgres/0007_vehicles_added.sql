-- Since when a vehicle is of the fleet, so that one that never answers is told of, too; and how a vehicle is reached whose row
-- does not say it.

-- Of vehicles that are there already: now.
ALTER TABLE vehicles ADD COLUMN added_at timestamptz NOT NULL DEFAULT now();

-- As `sync_service vehicle add`. sync_client says 'agent' itself.
ALTER TABLE vehicles ALTER COLUMN transport SET DEFAULT 'outbound';

-- A vehicle that is not removed and has not been seen for longer than its limit (default_s where it has none), counted from
-- watched_since at the earliest: before that nobody has looked. One that never answered is silent since it was added, when
-- there is something to ask (a host) or it calls us. Returns how many notices that made.
CREATE OR REPLACE FUNCTION fleet_tell_silent(default_s integer, watched_since timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    told integer := 0;
    quiet record;
BEGIN
    FOR quiet IN
        WITH begun AS (
            INSERT INTO vehicle_silences (vehicle_id, since)
            SELECT v.vehicle_id, coalesce(v.last_seen_at, v.added_at)
            FROM vehicles AS v LEFT JOIN vehicle_sync AS s USING (vehicle_id)
            WHERE s.removed_at IS NULL AND (v.last_seen_at IS NOT NULL OR v.host <> '' OR v.transport = 'push')
              AND greatest(coalesce(v.last_seen_at, v.added_at), watched_since)
                  < now() - make_interval(secs => coalesce(nullif(s.silent_after_s, 0), default_s))
            ON CONFLICT DO NOTHING
            RETURNING *
        )
        SELECT v.vehicle_id, v.name, v.client_id, v.last_seen_at, begun.since FROM begun JOIN vehicles AS v USING (vehicle_id)
    LOOP
        told := told + notice_queue('silent', quiet.vehicle_id, NULL,
            '[' || quiet.name || '] ' || CASE WHEN quiet.last_seen_at IS NULL
                THEN 'has not answered since it was added' ELSE 'silent since ' || notice_time(quiet.since) END,
            'Vehicle:  ' || quiet.name || ' (' || quiet.client_id || E')\n'
            || CASE WHEN quiet.last_seen_at IS NULL
                THEN 'Added:    ' || notice_time(quiet.since) || E'\nNo answer that counts came from it yet. Are its host, port'
                     ' and key right, and is it switched on?'
                ELSE 'Last seen: ' || notice_time(quiet.since) || E'\nNothing was heard of it since. What it measures stays'
                     ' with it until it is back.' END,
            'silent:' || quiet.vehicle_id || ':' || extract(epoch FROM quiet.since));
    END LOOP;
    FOR quiet IN
        DELETE FROM vehicle_silences AS q USING vehicles AS v
        WHERE v.vehicle_id = q.vehicle_id AND v.last_seen_at > q.since RETURNING v.*, q.since
    LOOP
        told := told + notice_queue('returned', quiet.vehicle_id, NULL,
            '[' || quiet.name || '] ' || CASE WHEN quiet.since = quiet.added_at THEN 'has answered for the first time'
                                              ELSE 'is back' END,
            'Vehicle:  ' || quiet.name || ' (' || quiet.client_id || E')\nSilent from ' || notice_time(quiet.since) || ' to '
            || notice_time(quiet.last_seen_at) || E'\nWhat it measured meanwhile is being fetched.',
            'returned:' || quiet.vehicle_id || ':' || extract(epoch FROM quiet.since));
    END LOOP;
    RETURN told;
END $$;

-- What replaces a function begins without its settings: those of 0005_notices.sql again.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION fleet_tell_silent(integer, timestamptz) SET search_path = %I, pg_temp', current_schema());
    BEGIN
        ALTER FUNCTION fleet_tell_silent(integer, timestamptz) SET app.user_role = 'superuser';
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END $$;
