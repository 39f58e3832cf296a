/* The statements of rollout_db.c and rollout_commands.c, and the states as they are written in them. Inside
 * those alone. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_SQL_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_SQL_H

#define ROLLOUT_FAILED_STATES "('failed', 'rolled_back', 'rejected', 'refused')"
/* v is deployment_vehicles. What `resume` has accepted counts for nothing any more. */
#define ROLLOUT_COUNTS_AS_FAILED "(v.state IN " ROLLOUT_FAILED_STATES " AND v.accepted_at IS NULL)"
#define ROLLOUT_BY_HAND          "'by hand'" /* why it is paused */
/* Not at an end; of those the last five have been offered. */
#define ROLLOUT_OPEN_STATES "('waiting', 'due', 'offered', 'queued', 'approved', 'applying', 'withdrawing')"
/* v is deployment_vehicles. One that the last look did not reach may be anything. */
#define ROLLOUT_WAITS_FOR_OPERATOR "(v.state = 'queued' AND v.waiting_for = 'operator' AND v.problem = '')"

#define ROLLOUT_SQL_COUNT                                                                                    \
    "SELECT count(*), count(*) FILTER (WHERE state = 'paused') FROM deployments"                             \
    " WHERE state IN ('running', 'paused', 'aborting')"

/* What is taken out of the fleet is out of its rollout. */
#define ROLLOUT_SQL_REMOVED                                                                                  \
    "UPDATE deployment_vehicles v SET state = 'withdrawn', reason = 'removed', changed_at = now()"           \
    " FROM vehicle_sync s WHERE s.vehicle_id = v.vehicle_id AND s.removed_at IS NOT NULL"                    \
    " AND v.state IN " ROLLOUT_OPEN_STATES

/* The rollouts that go on, in the order of struct open_rollout. Who has locked one moves it; others pass it
 * over. What the newest healthy one proves is held against what was seen of the others after it: one that was
 * waiting before that may have been approved together with it, and be dead. */
#define ROLLOUT_SQL_OPEN                                                                                     \
    "WITH locked AS MATERIALIZED (SELECT * FROM deployments WHERE state IN ('running', 'aborting')"          \
    " ORDER BY deployment_id FOR UPDATE SKIP LOCKED)"                                                        \
    " SELECT d.deployment_id, d.version, d.state, d.wave, d.wave_count, d.healthy_percent, c.failures,"      \
    " d.max_failures, c.judged, c.healthy, c.hopeful, c.hopeless, c.gone, c.open FROM locked d, LATERAL ("   \
    "SELECT coalesce(max(h.changed_at), '-infinity') AS at FROM deployment_vehicles h"                       \
    " WHERE h.deployment_id = d.deployment_id AND h.wave BETWEEN 1 AND d.wave AND h.state = 'healthy')"      \
    " newest, LATERAL (SELECT count(*) FILTER (WHERE " ROLLOUT_COUNTS_AS_FAILED ") AS failures,"             \
    " count(*) FILTER (WHERE so_far.is AND v.state <> 'withdrawn'"                                           \
    " AND NOT (" ROLLOUT_WAITS_FOR_OPERATOR " AND coalesce(v.looked_at > newest.at, false))) AS judged,"     \
    " count(*) FILTER (WHERE so_far.is AND v.state = 'healthy') AS healthy,"                                 \
    " count(*) FILTER (WHERE so_far.is AND (v.state = 'healthy' OR v.state IN " ROLLOUT_OPEN_STATES          \
    ")) AS hopeful,"                                                                                         \
    " count(*) FILTER (WHERE so_far.is AND " ROLLOUT_COUNTS_AS_FAILED ") AS hopeless,"                       \
    " count(*) FILTER (WHERE so_far.is AND v.state = 'withdrawn') AS gone,"                                  \
    " count(*) FILTER (WHERE v.state IN " ROLLOUT_OPEN_STATES ") AS open"                                    \
    " FROM deployment_vehicles v,"                                                                           \
    " LATERAL (SELECT v.wave BETWEEN 1 AND d.wave AND v.accepted_at IS NULL AS is) so_far"                   \
    " WHERE v.deployment_id = d.deployment_id) c"

/* $2: why. */
#define ROLLOUT_SQL_PAUSE                                                                                    \
    "UPDATE deployments SET state = 'paused', reason = $2, changed_at = now()"                               \
    " WHERE deployment_id = $1::int"
#define ROLLOUT_SQL_NEXT_WAVE                                                                                \
    "UPDATE deployments SET wave = wave + 1, changed_at = now() WHERE deployment_id = $1::int"
#define ROLLOUT_SQL_BEGIN_WAVE                                                                               \
    "UPDATE deployment_vehicles v SET state = 'due', next_at = now(), changed_at = now() FROM deployments d" \
    " WHERE d.deployment_id = $1::int AND v.deployment_id = d.deployment_id AND v.wave BETWEEN 1 AND d.wave" \
    " AND v.state = 'waiting'"
#define ROLLOUT_SQL_FINISH                                                                                   \
    "UPDATE deployments SET state = CASE state WHEN 'aborting' THEN 'aborted' ELSE 'done' END,"              \
    " changed_at = now(), finished_at = now() WHERE deployment_id = $1::int"

/* Of one that is aborted: what was never offered is out, what nobody has approved is taken back. */
#define ROLLOUT_SQL_WITHDRAW                                                                                 \
    "UPDATE deployment_vehicles SET state = CASE WHEN state IN ('waiting', 'due') THEN 'withdrawn'"          \
    " ELSE 'withdrawing' END, waiting_for = '', problem = '', attempts = 0, next_at = now(),"                \
    " changed_at = now() WHERE deployment_id = $1::int"                                                      \
    " AND state IN ('waiting', 'due', 'offered', 'queued')"

/* $2: paused, done. The same is told once. */
#define ROLLOUT_SQL_TELL                                                                                     \
    "SELECT fleet_tell('rollout', NULL, format('Rollout %s of version %s %s', d.deployment_id, d.version,"   \
    " CASE $2::text WHEN 'paused' THEN 'is paused: ' || d.reason ELSE 'is over' END),"                       \
    " format(E'Vehicles: %s\nHealthy:  %s\nFailed:   %s\n%s', c.vehicles, c.healthy, c.failed, c.names),"    \
    " format('rollout:%s:%s:%s:%s', d.deployment_id, $2::text, d.wave, c.failed)) FROM deployments d, "      \
    "LATERAL ("                                                                                              \
    "SELECT count(*) FILTER (WHERE v.wave > 0) AS vehicles,"                                                 \
    " count(*) FILTER (WHERE v.state = 'healthy') AS healthy,"                                               \
    " count(*) FILTER (WHERE v.state IN " ROLLOUT_FAILED_STATES ") AS failed,"                               \
    " coalesce(left(string_agg(format('%s: %s %s', f.name, v.state, v.reason), E'\n' ORDER BY f.name)"       \
    " FILTER (WHERE v.state IN " ROLLOUT_FAILED_STATES "), 2000), '') AS names"                              \
    " FROM deployment_vehicles v JOIN vehicles f USING (vehicle_id)"                                         \
    " WHERE v.deployment_id = d.deployment_id) c WHERE d.deployment_id = $1::int"

/* $1 host, $2 pid of this process, $3 how many at most, $4 for how many seconds they are ours. What a session
 * needs, in the order of read_order. A paused rollout begins nothing and is followed all the same. */
#define ROLLOUT_SQL_CLAIM                                                                                    \
    "WITH ours AS (SELECT v.vehicle_id, v.deployment_id FROM deployment_vehicles v"                          \
    " JOIN deployments d USING (deployment_id) JOIN vehicle_leases l USING (vehicle_id)"                     \
    " JOIN sync_workers w ON w.worker_id = l.holder"                                                         \
    " WHERE v.next_at <= now() AND w.host = $1 AND w.pid = $2::int AND w.expires_at > now()"                 \
    " AND v.state IN ('due', 'offered', 'queued', 'approved', 'applying', 'withdrawing')"                    \
    " AND (d.state IN ('running', 'aborting') OR (d.state = 'paused' AND v.state <> 'due'))"                 \
    " ORDER BY v.next_at LIMIT $3::int FOR UPDATE OF v SKIP LOCKED)"                                         \
    " UPDATE deployment_vehicles v SET next_at = now() + make_interval(secs => $4::int)"                     \
    " FROM ours, deployments d, vehicles f WHERE v.vehicle_id = ours.vehicle_id"                             \
    " AND v.deployment_id = ours.deployment_id AND d.deployment_id = ours.deployment_id"                     \
    " AND f.vehicle_id = ours.vehicle_id"                                                                    \
    " RETURNING v.deployment_id, v.vehicle_id, coalesce(f.agent_port, 9876), d.package_bytes,"               \
    " left(f.name, 31), CASE WHEN octet_length(f.host) < 256 THEN f.host ELSE '' END,"                       \
    " CASE WHEN octet_length(f.agent_id) = 64 THEN f.agent_id ELSE '' END, d.version, d.manifest_sha256,"    \
    " d.package_sha256, d.signature, v.mark, d.state = 'running', v.state"

/* In the order of record(). */
#define ROLLOUT_SQL_RECORD                                                                                   \
    "UPDATE deployment_vehicles SET state = $4, reason = $6, detail = $7, problem = $8,"                     \
    " waiting_for = CASE WHEN $8 = '' THEN $5 ELSE waiting_for END,"                                         \
    " mark = CASE WHEN $3 = 'due' AND $4 = 'offered' THEN $9 ELSE mark END,"                                 \
    " previous_version = CASE WHEN $3 = 'due' AND $4 = 'offered' THEN $10 ELSE previous_version END,"        \
    " offered_at = CASE WHEN $3 = 'due' AND $4 = 'offered' THEN now() ELSE offered_at END,"                  \
    " looked_at = CASE WHEN $8 = '' THEN now() ELSE looked_at END,"                                          \
    " attempts = CASE WHEN $8 = '' THEN 0 ELSE attempts + 1 END,"                                            \
    " next_at = now() + make_interval(secs => CASE WHEN $8 <> '' THEN"                                       \
    " least($12::int, $11::int * 2 ^ least(attempts, 10)) WHEN $3 <> $4 THEN 0 ELSE $11::int END),"          \
    " changed_at = CASE WHEN $3 <> $4 THEN now() ELSE changed_at END"                                        \
    " WHERE deployment_id = $1::int AND vehicle_id = $2::int AND state = $3"

#endif
