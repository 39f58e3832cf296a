#include "server_tools/sync_client/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "server_tools/sync_client/home.h"

void report_init(struct report *report)
{
    *report = (struct report){.archives = BUF_LIMIT(REPORT_MAX_BYTES),
                              .channels = -1,
                              .first_seq = -1,
                              .has_seq = true,
                              .period_start_us = INT64_MIN,
                              .period_end_us = INT64_MIN};
}

void report_clear(struct report *report)
{
    buf_clear(&report->archives);
}

/* The list of archives once more, escaped, and the rest. */
enum { RESULT_MAX_BYTES = 2 * REPORT_MAX_BYTES };

static double rate(const struct report *report)
{
    return report->us > 0 ? (double)report->records * US_PER_S / (double)report->us : 0;
}

/* The next path of the archives, or NULL; at: NULL at the beginning. */
static const char *next_archive(const struct report *report, const char *at)
{
    const char *next = at == NULL ? report->archives.data : at + strlen(at) + 1;
    return next < report->archives.data + report->archives.size ? next : NULL;
}

/* Below 0: unknown, or none. */
static void write_number(struct json_writer *writer, const char *key, int64_t value)
{
    if (value >= 0)
        json_i64(writer, key, value);
    else
        json_null(writer, key);
}

static void write_word(struct json_writer *writer, const char *key, const char *word)
{
    if (word[0] != '\0')
        json_string(writer, key, word);
    else
        json_null(writer, key);
}

static void write_update(struct json_writer *writer, const struct report_update *update)
{
    static const char *const outcomes[] = {[REPORT_UPDATE_QUEUED] = "queued",
                                           [REPORT_UPDATE_REFUSED] = "refused",
                                           [REPORT_UPDATE_FAILED] = "failed"};
    if (update->outcome == REPORT_UPDATE_NONE) {
        json_null(writer, "update");
        return;
    }
    json_object(writer, "update");
    json_string(writer, "outcome", outcomes[update->outcome]);
    json_string(writer, "version", update->version);
    json_string(writer, "file", update->file);
    json_i64(writer, "bytes", update->bytes);
    json_double(writer, "sending_seconds", (double)update->sent_us / US_PER_S);
    json_double(writer, "seconds", (double)update->us / US_PER_S);
    write_word(writer, "status", update->status);
    write_word(writer, "reason", update->reason);
    write_word(writer, "detail", update->detail);
    json_end_object(writer);
}

static void write_json(const struct report *report, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "client_id", report->client_id);
    json_string(&writer, "agent_id", report->agent_id);
    if (report->store_id[0] != '\0')
        json_string(&writer, "store_id", report->store_id);
    else
        json_null(&writer, "store_id");
    json_i64(&writer, "records", report->records);
    json_i64(&writer, "alarms", report->alarms);
    json_i64(&writer, "bytes", report->bytes);
    json_array(&writer, "archives");
    for (const char *path = NULL; (path = next_archive(report, path)) != NULL;)
        json_string(&writer, NULL, path);
    json_end_array(&writer);
    json_i64(&writer, "imported", report->imported);
    json_i64(&writer, "added", report->added);
    json_i64(&writer, "alarms_added", report->alarms_added);
    write_number(&writer, "channels", report->channels);
    write_number(&writer, "channels_changed", report->database[0] != '\0' ? report->channels_changed : -1);
    write_number(&writer, "first_seq", report->first_seq);
    write_number(&writer, "last_seq", report->has_seq ? report->last_seq : -1);
    json_i64(&writer, "alarms_last_seq", report->alarms_last_seq);
    json_time_us(&writer, "period_start", report->period_start_us);
    json_time_us(&writer, "period_end", report->period_end_us);
    json_string(&writer, "software_version", report->software_version);
    if (report->database[0] != '\0')
        json_string(&writer, "database", report->database);
    else
        json_null(&writer, "database");
    json_double(&writer, "seconds", (double)report->us / US_PER_S);
    json_double(&writer, "rate", rate(report));
    json_bool(&writer, "exported", report->exported);
    write_update(&writer, &report->update);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

static void write_database(const struct report *report, struct buf *out)
{
    char imported[COUNT_TEXT_BYTES];
    char added[COUNT_TEXT_BYTES];
    if (report->database[0] == '\0')
        return;
    buf_printf(out, "  database   %s (%s imported, %s of them new", report->database,
               count_for_people(imported, report->imported), count_for_people(added, report->added));
    if (report->channels >= 0)
        buf_printf(out, "; %" PRId64 " channels", report->channels);
    buf_append_text(out, ")\n");
}

static void write_readings(const struct report *report, struct buf *out)
{
    char records[COUNT_TEXT_BYTES];
    char a_second[COUNT_TEXT_BYTES];
    char size[TEXT_SIZE_BYTES];
    char start[RFC3339_S_BYTES];
    char end[RFC3339_S_BYTES];
    rfc3339_format_s(start, report->period_start_us);
    rfc3339_format_s(end, report->period_end_us);
    buf_printf(out, "%s: %s readings came home\n", report->client_id,
               count_for_people(records, report->records));
    buf_printf(out, "  period     %s to %s\n", start, end);
    buf_printf(out, "  size       %s, %.1f bytes a reading\n",
               text_bytes_for_people(size, (uint64_t)report->bytes),
               (double)report->readings_bytes / (double)report->records);
    buf_printf(out, "  rate       %s readings/s, %.2f s\n", count_for_people(a_second, (int64_t)rate(report)),
               (double)report->us / US_PER_S);
}

static void write_delivery(const struct report_update *update, struct buf *out)
{
    char size[TEXT_SIZE_BYTES];
    char rate[TEXT_SIZE_BYTES];
    double a_second = update->sent_us > 0 ? (double)update->bytes * US_PER_S / (double)update->sent_us : 0;
    if (update->outcome != REPORT_UPDATE_QUEUED)
        return;
    buf_printf(out, "  update     %s is delivered (%s, %s/s) and verified, %.2f s in all\n", update->version,
               text_bytes_for_people(size, (uint64_t)update->bytes),
               text_bytes_for_people(rate, (uint64_t)a_second), (double)update->us / US_PER_S);
    buf_append_text(out, "             it waits for the operator's approval at the machine's page (or for\n"
                         "             what UPDATE_APPROVAL in its config.txt says instead)\n");
}

static const char *nothing(const struct report *report)
{
    if (!report->exported)
        return "the export failed";
    return report->archives.size > 0 ? "no new readings" : "nothing new";
}

static void write_text(const struct report *report, struct buf *out)
{
    char alarms[COUNT_TEXT_BYTES];
    char changed[HOME_CHANGED_BYTES];
    home_describe_changes(report->channels_changed, report->ended_us, changed);
    if (report->records > 0)
        write_readings(report, out);
    else
        buf_printf(out, "%s: %s\n", report->client_id, nothing(report));
    if (report->alarms > 0)
        buf_printf(out, "  alarms     %s raised or resolved\n", count_for_people(alarms, report->alarms));
    for (const char *path = NULL; (path = next_archive(report, path)) != NULL;)
        buf_printf(out, "  archive    %s\n", path);
    write_database(report, out);
    if (changed[0] != '\0')
        buf_printf(out, "  channels   %s\n", changed);
    write_delivery(&report->update, out);
}

bool report_print(const struct report *report, bool json, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (json)
        write_json(report, &out);
    else
        write_text(report, &out);
    if (!buf_check(&report->archives, "the list of archives", err) || !buf_check(&out, "the result", err))
        return false;
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
        return error_set_errno(err, "standard output");
    return true;
}
