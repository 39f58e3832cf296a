/* What the service counts, and /metrics in Prometheus' text format (exposition format 0.0.4). Off unless
 * METRICS_PORT is set; on 127.0.0.1. Knows nothing of where the numbers come from.
 * Threads: safe; counting never blocks. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_METRICS_H
#define SERVER_TOOLS_SYNC_SERVICE_METRICS_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum { METRICS_MAX_BYTES = 64 * 1024 }; /* of one answer */

/* One row of metrics.c's table each: name, type, help. Counters only grow; gauges are set. */
enum metric {
    METRIC_TURNS_OK, /* telehaul_sync_turns_total{status="ok"} ... */
    METRIC_TURNS_TIMEOUT,
    METRIC_TURNS_ERROR,
    METRIC_ROWS_WRITTEN, /* telehaul_sync_rows_written_total */
    METRIC_ROWS_QUARANTINED,
    METRIC_WIRE_BYTES,
    METRIC_CYCLES,
    METRIC_CYCLES_OVERRUN,
    METRIC_NOTICES_SENT_EMAIL, /* telehaul_sync_notices_sent_total{channel="email"} ... */
    METRIC_NOTICES_SENT_WEBHOOK,
    METRIC_NOTICES_SENT_TELEGRAM,
    METRIC_NOTICES_REFUSED_EMAIL, /* attempts that did not get through */
    METRIC_NOTICES_REFUSED_WEBHOOK,
    METRIC_NOTICES_REFUSED_TELEGRAM,
    METRIC_NOTICES_GIVEN_UP, /* notices, for good */
    METRIC_VEHICLES,         /* gauges from here on */
    METRIC_VEHICLES_ONLINE,
    METRIC_VEHICLES_BEHIND, /* with a gap that is being filled */
    METRIC_LAG_MAX_SECONDS, /* of the vehicles that answer: now minus the newest reading at home */
    METRIC_QUEUE_BYTES,
    METRIC_QUEUE_LIMIT_BYTES, /* QUEUE_MAX_MB */
    METRIC_QUEUE_JOBS,
    METRIC_TRANSFERS_RUNNING,
    METRIC_DB_CONNECTED,
    METRIC_DB_TRANSACTION_SECONDS, /* the last one */
    METRIC_NOTICES_WAITING,
    METRIC_NOTICES_OLDEST_SECONDS, /* how long the oldest that may be sent waits already */
    METRIC_ROLLOUTS_PAUSED,
    METRIC_LAST_CYCLE_SECONDS,
    METRIC_LAST_CYCLE_TIME_SECONDS, /* when it ended, Unix time */
    METRICS,
};

struct metrics;
struct metrics *metrics_new(struct error *err) MUST_USE;
/* Ends the serving first. NULL is fine. */
void metrics_free(struct metrics *metrics);
/* metrics may be NULL in both: nothing is counted. */
void metric_add(struct metrics *metrics, enum metric metric, uint64_t more);
void metric_set(struct metrics *metrics, enum metric metric, double value);

/* What GET /metrics answers, as of now. out: METRICS_MAX_BYTES are enough. */
void metrics_write(const struct metrics *metrics, struct buf *out);

/* Serves GET /metrics there, and no longer where it did before; port 0: nowhere. False: it is served where it
 * was. log: copied; NULL: silent. Errors: as http_server_start. Threads: one at a time. */
bool metrics_serve(struct metrics *metrics, const char *bind, uint16_t port, const struct clock *clock,
                   const struct log *log, struct error *err) MUST_USE;

#endif
