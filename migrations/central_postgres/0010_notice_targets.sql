-- One webhook holds up no other, and texts of machines are text alone.

-- What a machine says is one line: control characters (C0, C1, separators of lines) become blanks; those that turn the
-- direction of what stands beside them, unseen, become U+FFFD.
CREATE OR REPLACE FUNCTION notice_line(said text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace(regexp_replace(said, '[\u0001-\u001F\u007F-\u009F\u2028\u2029]+', ' ', 'g'),
                      '[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]', U&'\FFFD', 'g');

-- The same line by line.
CREATE FUNCTION notice_text(said text) RETURNS text LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(string_agg(notice_line(line), E'\n' ORDER BY number), '')
    FROM string_to_table(said, E'\n') WITH ORDINALITY AS lines (line, number);
END;

-- As before, with texts that are.
CREATE OR REPLACE FUNCTION notice_queue(kind text, vehicle integer, severity text, subject text, body text, dedupe text)
RETURNS integer LANGUAGE sql
BEGIN ATOMIC
    WITH wanting AS (
        SELECT r.*, (SELECT count(*) FROM (SELECT FROM notices AS n WHERE n.rule_id = r.rule_id
                     AND n.created_at > now() - interval '1 hour' LIMIT 60) AS recent) >= 60 AS is_flood
        FROM notice_rules AS r
        WHERE CASE notice_queue.kind WHEN 'returned' THEN 'silent' ELSE notice_queue.kind END = ANY (r.kinds)
          AND (notice_queue.severity IS NULL OR notice_rank(notice_queue.severity) >= notice_rank(r.min_severity))
          AND notice_may_know(r.user_id, vehicle)
    ), told AS (
        INSERT INTO notices (rule_id, user_id, channel, target, kind, severity, vehicle_id, dedupe_key, subject, body,
                             not_before)
        SELECT rule_id, user_id, channel, target, CASE WHEN is_flood THEN 'flood' ELSE notice_queue.kind END,
               CASE WHEN is_flood THEN NULL ELSE notice_queue.severity END,
               CASE WHEN is_flood THEN NULL ELSE vehicle END,
               CASE WHEN is_flood THEN 'flood:' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24') ELSE dedupe END,
               CASE WHEN is_flood THEN 'More than 60 notices within an hour'
                    ELSE left(notice_line(notice_queue.subject), 200) END,
               CASE WHEN is_flood THEN 'What happens beyond that is not told one by one until there are fewer. The list of'
                                       ' alarms has it all.'
                    ELSE left(notice_text(notice_queue.body), 4000) END,
               CASE WHEN notice_is_urgent(notice_queue.kind, notice_queue.severity) THEN now()
                    ELSE notice_not_before(now(), quiet_from, quiet_to, time_zone) END
        FROM wanting
        ON CONFLICT (user_id, channel, target, dedupe_key) DO NOTHING
        RETURNING 1
    )
    SELECT count(*)::integer FROM told;
END;

-- As before; and of webhooks those of one target alone, of which nobody has claimed any: a target is called by one at a
-- time, whatever it does. The target of the oldest comes first; one that something could not be sent to is tried behind all
-- others. Who claims waits for whoever does the same.
CREATE OR REPLACE FUNCTION notice_claim(worker text, via text, most integer, lease_s integer)
RETURNS TABLE (notice_id bigint, target text, secret text, kind text, severity text, client_id text, vehicle text,
               subject text, body text, created_at timestamptz, is_unsure boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    found record;
    later timestamptz;
    one text;
    claimed integer := 0;
BEGIN
    UPDATE notices SET unsure = unsure + 1, claimed_by = NULL, claimed_until = NULL,
        state = CASE WHEN unsure = 0 THEN 'waiting' ELSE 'failed' END,
        last_error = 'the service died while it was sending: nobody knows whether it was sent'
    WHERE notice_id IN (SELECT n.notice_id FROM notices AS n WHERE n.channel = via AND n.state = 'sending'
                        AND n.claimed_until < now() FOR UPDATE SKIP LOCKED);
    PERFORM pg_advisory_xact_lock(hashtext('notice_claim'), hashtext(via)) WHERE via = 'webhook';
    FOR tries IN 1..CASE WHEN via = 'webhook' THEN 100 ELSE 1 END LOOP
        IF via = 'webhook' THEN
            one := (SELECT n.target FROM notices AS n
                WHERE n.channel = via AND n.state = 'waiting' AND n.not_before <= now()
                  AND (n.retry_at IS NULL OR n.retry_at <= now())
                  AND NOT EXISTS (SELECT FROM notices AS b WHERE b.channel = via AND b.target = n.target
                                  AND (b.state = 'waiting' AND b.retry_at > now()
                                       OR b.state IN ('waiting', 'sending') AND b.claimed_until >= now()))
                ORDER BY EXISTS (SELECT FROM notices AS b WHERE b.channel = via AND b.target = n.target
                                 AND b.state = 'waiting' AND b.retry_at IS NOT NULL), n.not_before, n.notice_id LIMIT 1);
            EXIT WHEN one IS NULL;
        END IF;
        FOR found IN
            SELECT n.*, r.secret, r.quiet_from, r.quiet_to, r.time_zone, v.client_id, v.name AS vehicle
            FROM notices AS n LEFT JOIN notice_rules AS r USING (rule_id) LEFT JOIN vehicles AS v USING (vehicle_id)
            WHERE n.channel = via AND n.state = 'waiting' AND n.not_before <= now() AND (one IS NULL OR n.target = one)
              AND (n.retry_at IS NULL OR n.retry_at <= now()) AND (n.claimed_until IS NULL OR n.claimed_until < now())
              AND NOT EXISTS (SELECT FROM notices AS b WHERE b.channel = via AND b.target = n.target AND b.state = 'waiting'
                              AND b.retry_at > now())
            ORDER BY n.not_before, n.notice_id LIMIT most FOR UPDATE OF n SKIP LOCKED
        LOOP
            later := CASE WHEN notice_is_urgent(found.kind, found.severity) THEN now()
                          ELSE notice_not_before(now(), found.quiet_from, found.quiet_to, found.time_zone) END;
            IF found.rule_id IS NULL OR NOT notice_may_hear(found.kind, found.user_id, found.vehicle_id) THEN
                UPDATE notices AS n SET state = 'failed', last_error = 'the user is not to be told any more'
                WHERE n.notice_id = found.notice_id;
            ELSIF later > now() THEN
                UPDATE notices AS n SET not_before = later WHERE n.notice_id = found.notice_id;
            ELSE
                UPDATE notices AS n SET claimed_by = worker, claimed_until = now() + make_interval(secs => lease_s)
                WHERE n.notice_id = found.notice_id;
                claimed := claimed + 1;
                RETURN QUERY SELECT found.notice_id, found.target, found.secret, found.kind, found.severity,
                    found.client_id, notice_line(found.vehicle), found.subject, found.body, found.created_at,
                    found.unsure > 0;
            END IF;
        END LOOP;
        EXIT WHEN claimed > 0;
    END LOOP;
END $$;

-- CREATE OR REPLACE forgets settings (0005_notices.sql says what they are for).
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION notice_claim(text, text, integer, integer) SET search_path = %I, pg_temp',
                   current_schema());
    BEGIN
        ALTER FUNCTION notice_claim(text, text, integer, integer) SET app.user_role = 'superuser';
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END $$;
