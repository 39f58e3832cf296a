#include "server_tools/sync_client/import_files.h"

#include <stdio.h>

#include "common/net/json_writer.h"
#include "server_tools/central/importer.h"
#include "server_tools/sync_client/home.h"

enum { RESULT_MAX_BYTES = 64 * 1024 };

static void show_progress(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total)
{
    (void)bytes_total;
    notices_advance(context, lines, bytes_done);
}

static void write_json(const struct settings *settings, const struct import_result *total, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_u64(&writer, "files", settings->files.count);
    json_i64(&writer, "imported", total->lines);
    json_i64(&writer, "added", total->added);
    json_i64(&writer, "alarms", total->alarms);
    json_i64(&writer, "alarms_added", total->alarms_added);
    json_i64(&writer, "channels_changed", total->channels_changed);
    json_i64(&writer, "bytes", total->bytes);
    json_string(&writer, "database", settings->db_shown);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

static void write_text(const struct settings *settings, const struct import_result *total, struct buf *out)
{
    char count[COUNT_TEXT_BYTES];
    char added[COUNT_TEXT_BYTES];
    char changed[HOME_CHANGED_BYTES];
    home_describe_changes(total->channels_changed, clock_utc_us(clock_system()), changed);
    buf_printf(out, "%s readings read, %s of them new in %s\n", count_for_people(count, total->lines),
               count_for_people(added, total->added), settings->db_shown);
    if (total->alarms > 0)
        buf_printf(out, "%s alarms read, %s of them new\n", count_for_people(count, total->alarms),
                   count_for_people(added, total->alarms_added));
    if (changed[0] != '\0')
        buf_printf(out, "%s\n", changed);
}

static bool print(const struct settings *settings, const struct import_result *total, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (settings->json)
        write_json(settings, total, &out);
    else
        write_text(settings, total, &out);
    if (!buf_check(&out, "the result", err))
        return false;
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
        return error_set_errno(err, "standard output");
    return true;
}

bool import_files(const struct settings *settings, struct notices *notices, struct error *err)
{
    SCOPE_CENTRAL struct central *central = central_open(settings->db.text, clock_system(), err);
    if (central == NULL)
        return false;
    struct import_result total = {.last_seq = -1};
    for (size_t i = 0; i < settings->files.count; i++) {
        struct import_result result;
        notices_begin(notices, "importing", 0);
        bool done = import_archive(central, settings->files.items[i], settings->client_id, show_progress,
                                   notices, &result, err);
        notices_end(notices);
        if (!done)
            return false;
        total.lines += result.lines;
        total.added += result.added;
        total.alarms += result.alarms;
        total.alarms_added += result.alarms_added;
        total.channels_changed += result.channels_changed;
        total.bytes += result.bytes;
    }
    return print(settings, &total, err);
}
