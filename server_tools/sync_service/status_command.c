/* `status`: how each vehicle is, and who pulls. */
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/listing.h"

#define NEXT_AT    LISTING_TIME("min(not_before) FILTER (WHERE state = 'waiting')") " AS next_at"
#define SEEN_AT    LISTING_TIME("v.last_seen_at") " AS last_seen_at"
#define SYNCED_AT  LISTING_TIME("v.last_sync_at") " AS last_sync_at"
#define JOURNAL_AT LISTING_TIME("j.finished_at") " AS journal_at"
#define EXPIRES_AT LISTING_TIME("w.expires_at") " AS expires_at"

static const struct listing listings[] = {
    {
        .member = "vehicles",
        .sql = "SELECT v.name, v.client_id, v.transport, v.host, coalesce(v.sync_status, 'never') AS "
               "sync_status,"
               " v.software_version, " SEEN_AT ", " SYNCED_AT ","
               " round(extract(epoch FROM now() - v.last_sync_at))::bigint AS lag_s,"
               " s.live_from IS NOT NULL OR s.live_after_seq IS NOT NULL AS filling_gap, s.clock_offset_ms,"
               " (SELECT count(*) FROM measurements_quarantine q WHERE q.vehicle_id = v.vehicle_id)"
               " AS quarantined, j.status AS journal, " JOURNAL_AT ","
               " round(extract(epoch FROM j.finished_at - j.started_at) * 1000)::bigint AS duration_ms,"
               " j.rows_written, j.bytes, j.note"
               " FROM vehicles v LEFT JOIN vehicle_sync s USING (vehicle_id)"
               " LEFT JOIN LATERAL (SELECT * FROM sync_journal e WHERE e.vehicle_id = v.vehicle_id"
               " ORDER BY journal_id DESC LIMIT 1) j ON true WHERE s.removed_at IS NULL"
               " ORDER BY v.name, v.client_id",
        .columns =
            "name,transport,sync_status,software_version,last_seen_at,lag_s,filling_gap,clock_offset_ms,"
            "quarantined,rows_written,duration_ms,note",
        .empty = "no vehicles yet: `sync_service vehicle add NAME --host HOST` adds one",
    },
    {
        .member = "services",
        .sql = "SELECT w.worker_id, w.expires_at > now() AS alive, " EXPIRES_AT ","
               " (SELECT count(*) FROM vehicle_leases l WHERE l.holder = w.worker_id) AS vehicles"
               " FROM sync_workers w ORDER BY w.worker_id",
        .columns = "worker_id,alive,vehicles",
        .empty = "no sync_service runs on this database",
    },
    {
        .member = "notices",
        .sql = "SELECT channel, count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS waiting, " NEXT_AT
               ", count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'failed') "
               "AS failed,"
               " (array_agg(last_error ORDER BY notice_id DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS "
               "last_error"
               " FROM notices WHERE created_at > now() - interval '1 day' OR state IN ('waiting', 'sending')"
               " GROUP BY channel ORDER BY channel",
        .columns = "channel,waiting,next_at,sent,failed,last_error",
        .empty = "nobody was told anything for a day",
    },
};

bool command_status(const struct command_scene *scene, struct buf *out, struct error *err)
{
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    return pg != NULL &&
           listing_print(pg, listings, sizeof(listings) / sizeof(listings[0]), scene->line->json, out, err);
}
