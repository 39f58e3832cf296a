#include "updater/report.h"

#include "common/base/rfc3339.h"
#include "common/net/json_writer.h"

void report_apply(const struct apply_result *result, bool json, struct buf *out)
{
    if (!json) {
        buf_printf(out, "version   %s, on probation\nprevious  %s\nbackup    backups/%s\n", result->version,
                   result->previous, result->backup);
        return;
    }
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "version", result->version);
    json_string(&writer, "previous", result->previous);
    json_string(&writer, "backup", result->backup);
    json_string(&writer, "state", update_state_name(UPDATE_PROBATION));
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

void report_recovery(const struct recovery *recovery, bool json, struct buf *out)
{
    const char *state = update_state_name(recovery->state);
    if (!json) {
        buf_printf(out, "version   %s%s\nprevious  %s\nupdate    %s\n", recovery->current,
                   recovery->on_probation ? ", on probation" : "",
                   recovery->previous[0] == '\0' ? "none" : recovery->previous, state);
        return;
    }
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "version", recovery->current);
    json_string(&writer, "previous", recovery->previous);
    json_bool(&writer, "probation", recovery->on_probation);
    json_string(&writer, "state", state);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

/* ---- history ---- */

static void write_entry_text(struct buf *out, const struct history_entry *entry)
{
    char time[RFC3339_S_BYTES];
    rfc3339_format_s(time, entry->time_us);
    buf_printf(out, "%s  %-11s  %s", time, entry->event, entry->version);
    if (entry->by[0] != '\0')
        buf_printf(out, "  by %s", entry->by);
    if (entry->reason[0] != '\0')
        buf_printf(out, "  %s: %s", entry->reason, entry->text);
    buf_append_byte(out, '\n');
}

bool report_history(const char *root, bool json, struct buf *out, struct error *err)
{
    size_t count;
    SCOPE_FREE struct history_entry *entries = calloc(REPORT_HISTORY_MAX, sizeof(*entries));
    if (entries == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the history");
    if (!update_history_read(root, entries, REPORT_HISTORY_MAX, &count, err))
        return false;
    struct json_writer writer;
    json_writer_init(&writer, out);
    if (json) {
        json_object(&writer, NULL);
        json_array(&writer, "history");
    }
    for (size_t i = 0; i < count; i++) {
        if (json)
            update_history_write(&writer, &entries[i]);
        else
            write_entry_text(out, &entries[i]);
    }
    if (json) {
        json_end_array(&writer);
        json_end_object(&writer);
        buf_append_byte(out, '\n');
    }
    return true;
}
