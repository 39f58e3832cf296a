#include "agent/status.h"

#include <math.h>

#include "agent/routes.h"
#include "agent/update_status.h"
#include "collector/telemetry_store.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"

enum { COLLECTOR_REPORT_MAX_BYTES = 64 * 1024, STATUS_MAX_BYTES = 128 * 1024 };

static void write_store(struct json_writer *writer, const struct agent *agent)
{
    if (agent->of_table) {
        json_string(writer, "store_id", agent->table.store_id);
        json_null(writer, "next_seq");
        return;
    }
    struct store_state state;
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(agent->telemetry_folder.text, NULL);
    if (reader != NULL && store_reader_state(reader, &state, NULL)) {
        json_string(writer, "store_id", store_reader_id(reader));
        json_i64(writer, "next_seq", state.next_seq);
    } else {
        json_null(writer, "store_id");
        json_null(writer, "next_seq");
    }
}

static void write_disk(struct json_writer *writer, const struct agent *agent)
{
    uint64_t free_bytes;
    if (disk_free_bytes(agent->telemetry_folder.text, &free_bytes, NULL))
        json_u64(writer, "free_disk_bytes", free_bytes);
    else
        json_null(writer, "free_disk_bytes");
}

/* What the collector says of itself in run/collector.json; both null while it has said nothing. */
static void write_collector(struct json_writer *writer, const struct agent *agent)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(COLLECTOR_REPORT_MAX_BYTES);
    SCOPE_JSON struct json *report = NULL;
    if (appliance_path(agent->appliance, "run/collector.json", &path, NULL) &&
        file_read_path(path.text, &text, NULL))
        report = json_parse(buf_view(&text), COLLECTOR_REPORT_MAX_BYTES, NULL);
    double days = NAN;
    if (report != NULL && !json_get_double(json_member(json_root(report), "days_until_full"), &days))
        days = NAN;
    json_double(writer, "days_until_full", days);
    if (report != NULL)
        json_raw_text(writer, "collector", json_raw(json_root(report)));
    else
        json_null(writer, "collector");
}

static void write_texts(struct json_writer *writer, const char *key, const char *const *texts)
{
    json_array(writer, key);
    for (; *texts != NULL; texts++)
        json_string(writer, NULL, *texts);
    json_end_array(writer);
}

/* A table has readings alone. */
static void write_exports(struct json_writer *writer, const struct agent *agent)
{
    static const char *const formats[] = {"gzip", "zstd", NULL};
    static const char *const streams[] = {"readings", "alarms", "channels", NULL};
    static const char *const table_streams[] = {"readings", NULL};
    write_texts(writer, "export_formats", formats);
    write_texts(writer, "export_streams", agent->of_table ? table_streams : streams);
}

static void write_status(struct json_writer *writer, struct agent *agent)
{
    json_object(writer, NULL);
    json_string(writer, "product", agent->appliance->config.product);
    json_string(writer, "version", agent->appliance->version);
    json_string(writer, "agent_id", agent->identity.agent_id);
    write_store(writer, agent);
    json_time_us(writer, "clock", clock_utc_us(agent->clock));
    json_i64(writer, "uptime_s", (clock_monotonic_us(agent->clock) - agent->started_us) / US_PER_S);
    write_update_summary(writer, agent);
    write_disk(writer, agent);
    write_collector(writer, agent);
    json_time_us(writer, "last_sync", last_sync_time_us(&agent->last_sync));
    write_exports(writer, agent);
    json_end_object(writer);
}

void answer_status(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    struct error err;
    SCOPE_BUF struct buf body = BUF_LIMIT(STATUS_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    write_status(&writer, agent);
    if (!buf_check(&body, "/status", &err)) {
        log_error(agent->log, "%s", err.text);
        agent_refuse(request, 500, "internal", "no memory is left: try again later");
        return;
    }
    session_note(session_of(request), SESSION_OK);
    http_answer_json(request, 200, buf_view(&body));
}
