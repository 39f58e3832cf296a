#include "collector/health.h"

#include <math.h>

#include "common/net/json_writer.h"

enum { HEALTH_MODE = 0644 };

static void write_error(struct json_writer *json, const struct error *err)
{
    if (err->code == ERR_NONE)
        json_null(json, "error");
    else
        json_string(json, "error", err->text);
}

static void write_store(struct json_writer *json, const struct recorder_status *status)
{
    static const char *const states[] = {[RECORD_OK] = "ok",
                                         [RECORD_REPLACED] = "replaced",
                                         [RECORD_FULL] = "full",
                                         [RECORD_FAILING] = "failing"};
    json_object(json, "store");
    json_string(json, "state", states[status->state]);
    write_error(json, &status->error);
    if (status->store_id != NULL) {
        json_string(json, "store_id", status->store_id);
        json_string(json, "path", status->path);
    } else {
        json_null(json, "store_id");
        json_null(json, "path");
    }
    json_i64(json, "bytes", status->size.file_bytes);
    json_i64(json, "used_bytes", status->size.used_bytes);
    json_u64(json, "waiting", status->waiting);
    json_u64(json, "dropped", status->dropped);
    json_end_object(json);
}

/* What an input has counted of its own, "texts_skipped": 12 */
static void write_counts(struct json_writer *json, const struct input_status *status)
{
    json_object(json, "counts");
    for (size_t i = 0; i < status->count_count; i++)
        json_u64(json, status->counts[i].name, status->counts[i].value);
    json_end_object(json);
}

static void write_inputs(struct json_writer *json, const struct sampler *sampler)
{
    json_array(json, "inputs");
    for (size_t i = 0; i < sampler_count(sampler); i++) {
        const struct input_status *status = sampler_status(sampler, i);
        json_object(json, NULL);
        json_string(json, "name", status->name);
        json_string(json, "state", input_state_name(status->state));
        write_error(json, &status->error);
        json_u64(json, "readings", status->readings);
        json_u64(json, "dropped", status->dropped);
        json_time_us(json, "since", status->since_us);
        write_counts(json, status);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_alarms(struct json_writer *json, const struct alarm_summary *alarms)
{
    json_object(json, "alarms");
    json_u64(json, "open", alarms->open);
    if (alarms->open > 0)
        json_string(json, "worst", alarm_severity_name(alarms->worst));
    else
        json_null(json, "worst");
    json_u64(json, "lost", alarms->lost);
    json_end_object(json);
}

static void write_clock(struct json_writer *json, const struct clock_guard *guard)
{
    json_object(json, "clock");
    json_string(json, "state", clock_guard_has_jumped(guard) ? "jumped" : "ok");
    json_u64(json, "jumps", guard->jumps);
    json_double(json, "last_jump_s", (double)guard->last_jump_us / US_PER_S);
    json_bool(json, "deletes_by_age", clock_guard_is_sure(guard));
    json_end_object(json);
}

static void write_disk(struct json_writer *json, const struct recorder_status *status)
{
    static const char *const states[] = {[DISK_OK] = "ok", [DISK_LOW] = "low", [DISK_FULL] = "full"};
    json_object(json, "disk");
    json_string(json, "state", states[status->disk]);
    json_u64(json, "free_bytes", status->free_bytes);
    json_end_object(json);
    double days = status->days_until_full;
    json_double(json, "days_until_full", days < 0 ? NAN : round(days * 10) / 10);
}

bool health_text(const struct recorder *recorder, const struct sampler *sampler, const struct clock *clock,
                 struct buf *out, struct error *err)
{
    struct json_writer json;
    struct recorder_status status;
    recorder_status(recorder, &status);
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_time_us(&json, "time", clock_utc_us(clock));
    write_store(&json, &status);
    write_inputs(&json, sampler);
    write_alarms(&json, &status.alarms);
    write_clock(&json, recorder_clock(recorder));
    write_disk(&json, &status);
    json_end_object(&json);
    buf_append_byte(out, '\n');
    return buf_check(out, "the report", err);
}

bool health_write(const char *path, const struct recorder *recorder, const struct sampler *sampler,
                  const struct clock *clock, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(HEALTH_MAX_BYTES);
    return health_text(recorder, sampler, clock, &text, err) &&
           file_replace(path, buf_view(&text), HEALTH_MODE, err);
}
