#include "server_tools/sync_service/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/decimal.h"
#include "common/base/text.h"
#include "common/net/http_server.h"

/* https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4) and .../practices/naming/
 */
static const char content_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* Rows of one family stand together. A counter's help says what is counted, a gauge's of what it is. */
static const struct family {
    const char *name;
    const char *labels; /* "" or {name="value"} */
    const char *help;
} table[METRICS] = {
    [METRIC_TURNS_OK] = {"telehaul_sync_turns_total", "{status=\"ok\"}",
                         "Turns of vehicles that ended, by how they ended."},
    [METRIC_TURNS_TIMEOUT] = {"telehaul_sync_turns_total", "{status=\"timeout\"}", NULL},
    [METRIC_TURNS_ERROR] = {"telehaul_sync_turns_total", "{status=\"error\"}", NULL},
    [METRIC_ROWS_WRITTEN] = {"telehaul_sync_rows_written_total", "",
                             "Readings that were new and are committed."},
    [METRIC_ROWS_QUARANTINED] = {"telehaul_sync_rows_quarantined_total", "",
                                 "Readings put aside because their time had not come yet."},
    [METRIC_WIRE_BYTES] = {"telehaul_sync_wire_bytes_total", "",
                           "Bytes of answers as they came over the wire, packed or not."},
    [METRIC_CYCLES] = {"telehaul_sync_cycles_total", "",
                       "Cycles that ended, each with the turn of its last vehicle."},
    [METRIC_CYCLES_OVERRUN] = {"telehaul_sync_cycles_overrun_total", "",
                               "Cycles that were due while turns of one before went on."},
    [METRIC_NOTICES_SENT_EMAIL] = {"telehaul_sync_notices_sent_total", "{channel=\"email\"}",
                                   "Notices to people that the other side has taken."},
    [METRIC_NOTICES_SENT_WEBHOOK] = {"telehaul_sync_notices_sent_total", "{channel=\"webhook\"}", NULL},
    [METRIC_NOTICES_SENT_TELEGRAM] = {"telehaul_sync_notices_sent_total", "{channel=\"telegram\"}", NULL},
    [METRIC_NOTICES_REFUSED_EMAIL] = {"telehaul_sync_notice_attempts_failed_total", "{channel=\"email\"}",
                                      "Attempts to send a notice that did not get through."},
    [METRIC_NOTICES_REFUSED_WEBHOOK] = {"telehaul_sync_notice_attempts_failed_total", "{channel=\"webhook\"}",
                                        NULL},
    [METRIC_NOTICES_REFUSED_TELEGRAM] = {"telehaul_sync_notice_attempts_failed_total",
                                         "{channel=\"telegram\"}", NULL},
    [METRIC_NOTICES_GIVEN_UP] = {"telehaul_sync_notices_given_up_total", "",
                                 "Notices that were given up: refused for good, or tried for a day."},
    [METRIC_VEHICLES] = {"telehaul_sync_vehicles", "", "Vehicles that this process has on lease."},
    [METRIC_VEHICLES_ONLINE] = {"telehaul_sync_vehicles_online", "", "Vehicles whose last turn ended well."},
    [METRIC_VEHICLES_BEHIND] = {"telehaul_sync_vehicles_behind", "",
                                "Vehicles with a gap that is being filled."},
    [METRIC_LAG_MAX_SECONDS] = {"telehaul_sync_lag_max_seconds", "",
                                "Age of the newest reading at home of the vehicle that is furthest behind of"
                                " those that answer."},
    [METRIC_QUEUE_BYTES] = {"telehaul_sync_queue_bytes", "", "Readings in memory that wait for PostgreSQL."},
    [METRIC_QUEUE_LIMIT_BYTES] = {"telehaul_sync_queue_limit_bytes", "",
                                  "How much may wait for PostgreSQL before nothing more is fetched."},
    [METRIC_QUEUE_JOBS] = {"telehaul_sync_queue_jobs", "", "Jobs that wait for PostgreSQL."},
    [METRIC_TRANSFERS_RUNNING] = {"telehaul_sync_transfers_running", "",
                                  "Exchanges with vehicles under way."},
    [METRIC_DB_CONNECTED] = {"telehaul_sync_db_connected", "",
                             "1 while a connection to PostgreSQL stands, 0 while none does."},
    [METRIC_DB_TRANSACTION_SECONDS] = {"telehaul_sync_db_transaction_seconds", "",
                                       "How long the last transaction of a writer took."},
    [METRIC_NOTICES_WAITING] = {"telehaul_sync_notices_waiting", "",
                                "Notices of all services that wait to be sent, quiet hours included."},
    [METRIC_NOTICES_OLDEST_SECONDS] = {"telehaul_sync_notices_oldest_seconds", "",
                                       "How long the oldest notice waits that might have been sent."},
    [METRIC_ROLLOUTS_PAUSED] = {"telehaul_sync_rollouts_paused", "",
                                "Rollouts that stand still until somebody decides."},
    [METRIC_LAST_CYCLE_SECONDS] =
        {"telehaul_sync_last_cycle_seconds", "",
         "How long the cycle took that ended last, until its last vehicle's turn was over."},
    [METRIC_LAST_CYCLE_TIME_SECONDS] = {"telehaul_sync_last_cycle_timestamp_seconds", "",
                                        "When the last cycle ended, Unix time."},
};

enum { BIND_BYTES = 512 };

/* Where they are to be had. */
struct place {
    struct http_server *server;
    struct log log;
    char bind[BIND_BYTES];
    uint16_t port;
};

struct metrics {
    _Atomic uint64_t counters[METRIC_VEHICLES];
    _Atomic double gauges[METRICS - METRIC_VEHICLES];
    struct place *place; /* NULL: nowhere */
};

struct metrics *metrics_new(struct error *err)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        error_set(err, ERR_MEMORY, "no memory left for the counters");
    return metrics;
}

static void free_place(struct place *place)
{
    if (place == NULL)
        return;
    http_server_stop(place->server);
    free(place);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    free_place(metrics->place);
    free(metrics);
}

void metric_add(struct metrics *metrics, enum metric metric, uint64_t more)
{
    if (metrics != NULL && metric < METRIC_VEHICLES)
        atomic_fetch_add_explicit(&metrics->counters[metric], more, memory_order_relaxed);
}

void metric_set(struct metrics *metrics, enum metric metric, double value)
{
    if (metrics != NULL && metric >= METRIC_VEHICLES && metric < METRICS)
        atomic_store_explicit(&metrics->gauges[metric - METRIC_VEHICLES], value, memory_order_relaxed);
}

static void write_value(const struct metrics *metrics, enum metric metric, struct buf *out)
{
    char text[DECIMAL_MAX_BYTES];
    if (metric < METRIC_VEHICLES) {
        buf_append(out, text, decimal_write_u64(text, atomic_load(&metrics->counters[metric])));
        return;
    }
    double value = atomic_load(&metrics->gauges[metric - METRIC_VEHICLES]);
    if (isfinite(value))
        buf_append(out, text, decimal_write(text, value));
    else
        buf_append_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
    for (enum metric metric = 0; metric < METRICS; metric++) {
        const struct family *family = &table[metric];
        if (family->help != NULL)
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                       metric < METRIC_VEHICLES ? "counter" : "gauge");
        buf_printf(out, "%s%s ", family->name, family->labels);
        write_value(metrics, metric, out);
        buf_append_byte(out, '\n');
    }
    buf_append_text(out, "# HELP telehaul_sync_build_info Which version runs.\n"
                         "# TYPE telehaul_sync_build_info gauge\n"
                         "telehaul_sync_build_info{version=\"" TELEHAUL_VERSION "\"} 1\n");
}

static void answer(struct http_request *request)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(METRICS_MAX_BYTES);
    metrics_write(http_context(request), &text);
    if (buf_check(&text, "the counters", NULL))
        http_answer(request, 200, content_type, buf_view(&text));
    else
        http_answer_error(request, 503, "no_memory", "no memory is left for the answer: try again later");
}

static bool start_server(struct metrics *metrics, struct place *place, const struct clock *clock,
                         struct error *err)
{
    static const struct http_route routes[] = {{.method = HTTP_GET, .path = "/metrics", .handle = answer}};
    place->server = http_server_start(&(struct http_server_config){.bind = place->bind,
                                                                   .port = place->port,
                                                                   .routes = routes,
                                                                   .route_count = COUNT_OF(routes),
                                                                   .context = metrics,
                                                                   .log = &place->log,
                                                                   .clock = clock},
                                      err);
    return place->server != NULL || error_wrap(err, "METRICS_PORT");
}

static struct place *new_place(const char *bind, uint16_t port, const struct log *log, struct error *err)
{
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL || !text_copy(place->bind, sizeof(place->bind), view_of(bind))) {
        error_set(err, place == NULL ? ERR_MEMORY : ERR_USAGE, "METRICS_BIND: expected an address");
        free(place);
        return NULL;
    }
    place->port = port;
    place->log = log != NULL ? *log : (struct log){.fd = -1};
    return place;
}

/* A port is one's alone, whatever the address: of the same one the old server goes first, and comes back when
 * the new one cannot be. */
static bool move_to(struct metrics *metrics, struct place *place, const struct clock *clock,
                    struct error *err)
{
    struct place *old = metrics->place;
    bool collides = old != NULL && old->port == place->port;
    if (collides) {
        http_server_stop(old->server);
        old->server = NULL;
    }
    if (start_server(metrics, place, clock, err)) {
        free_place(old);
        metrics->place = place;
        return true;
    }
    struct error again;
    if (collides && !start_server(metrics, old, clock, &again))
        log_error(&old->log, "metrics are not served any more: %s", again.text);
    free_place(place);
    return false;
}

bool metrics_serve(struct metrics *metrics, const char *bind, uint16_t port, const struct clock *clock,
                   const struct log *log, struct error *err)
{
    const struct place *old = metrics->place;
    if (port == 0) {
        free_place(metrics->place);
        metrics->place = NULL;
        return true;
    }
    if (old != NULL && old->server != NULL && old->port == port && strcmp(old->bind, bind) == 0)
        return true;
    struct place *place = new_place(bind, port, log, err);
    if (place == NULL || !move_to(metrics, place, clock, err))
        return false;
    log_info(&place->log, "metrics: http://%s:%u/metrics", bind, port);
    return true;
}
