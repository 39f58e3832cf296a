#include "server_tools/central/archive_info.h"

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"

static const char *const stream_words[ARCHIVE_STREAMS] = {
    [ARCHIVE_READINGS] = "readings", [ARCHIVE_ALARMS] = "alarms", [ARCHIVE_CHANNELS] = "channels"};
static const char *const format_words[] = {[PACK_GZIP] = "gzip", [PACK_ZSTD] = "zstd"};

const char *archive_stream_word(enum archive_stream stream)
{
    return stream_words[stream];
}

/* ---- writing ---- */

static void write_seq(struct json_writer *writer, const char *key, int64_t seq)
{
    if (seq >= 0)
        json_i64(writer, key, seq);
    else
        json_null(writer, key);
}

static void write_size(struct json_writer *writer, const struct archive_file *file)
{
    json_i64(writer, "count", file->count);
    json_i64(writer, "bytes", file->bytes);
    json_string(writer, "sha256", file->sha256);
}

static void write_range(struct json_writer *writer, const struct archive_file *file)
{
    if (file->after >= 0)
        json_i64(writer, "after", file->after);
    write_seq(writer, "first_seq", file->first_seq);
    write_seq(writer, "last_seq", file->last_seq);
}

static void write_file(struct json_writer *writer, const struct archive_info *info,
                       enum archive_stream stream)
{
    const struct archive_file *file = &info->files[stream];
    if (!file->present)
        return;
    json_object(writer, stream_words[stream]);
    json_string(writer, "file", file->file);
    if (stream == ARCHIVE_ALARMS)
        write_range(writer, file);
    write_size(writer, file);
    json_end_object(writer);
}

void archive_info_write(const struct archive_info *info, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "client_id", info->client_id);
    json_string(&writer, "agent_id", info->agent_id);
    json_string(&writer, "store_id", info->store_id);
    json_string(&writer, "stream", stream_words[ARCHIVE_READINGS]);
    json_string(&writer, "format", format_words[info->format]);
    if (info->since[0] != '\0')
        json_string(&writer, "since", info->since);
    write_range(&writer, &info->files[ARCHIVE_READINGS]);
    json_time_us(&writer, "period_start", info->period_start_us);
    json_time_us(&writer, "period_end", info->period_end_us);
    write_size(&writer, &info->files[ARCHIVE_READINGS]);
    write_file(&writer, info, ARCHIVE_ALARMS);
    write_file(&writer, info, ARCHIVE_CHANNELS);
    json_time_us(&writer, "created_at", info->created_us);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

/* ---- reading: who and what ---- */

static bool parse_kind(struct json_value root, struct archive_info *info, struct error *err)
{
    char stream[32];
    char format[32] = "gzip"; /* what archives were before they said it */
    if (!json_need_string(root, "stream", stream, sizeof(stream), err))
        return false;
    if (strcmp(stream, stream_words[ARCHIVE_READINGS]) != 0)
        return error_set(err, ERR_INPUT, "member `stream`: only archives of readings can be imported");
    if (json_present(json_member(root, "format")) &&
        !json_need_string(root, "format", format, sizeof(format), err))
        return false;
    for (size_t i = 0; i < COUNT_OF(format_words); i++) {
        info->format = (enum pack_format)i;
        if (strcmp(format, format_words[i]) == 0)
            return true;
    }
    return error_set(err, ERR_INPUT, "member `format`: expected gzip or zstd");
}

static bool parse_names(struct json_value root, struct archive_info *info, struct error *err)
{
    if (!json_need_string(root, "client_id", info->client_id, sizeof(info->client_id), err) ||
        !json_need_string(root, "store_id", info->store_id, sizeof(info->store_id), err))
        return false;
    if (!json_get_string(json_member(root, "agent_id"), info->agent_id, sizeof(info->agent_id)))
        info->agent_id[0] = '\0';
    if (info->store_id[0] == '\0')
        return error_set(err, ERR_INPUT, "member `store_id`: empty");
    return central_client_id_ok(info->client_id) ||
           error_set(err, ERR_INPUT, "member `client_id`: no client id");
}

/* ---- reading: times ---- */

/* Absent or null: *out stays. */
static bool parse_time(struct json_value root, const char *key, int64_t *out, struct error *err)
{
    struct json_value member = json_member(root, key);
    char text[RFC3339_US_BYTES];
    if (!json_present(member) || json_is_null(member))
        return true;
    return (json_get_string(member, text, sizeof(text)) && rfc3339_parse_us(view_of(text), out)) ||
           error_set(err, ERR_INPUT, "member `%s`: expected a time like 2026-02-22T10:00:00.000000Z", key);
}

static bool parse_times(struct json_value root, struct archive_info *info, struct error *err)
{
    int64_t since_us = INT64_MIN;
    info->period_start_us = info->period_end_us = info->created_us = INT64_MIN;
    if (!parse_time(root, "since", &since_us, err) ||
        !parse_time(root, "period_start", &info->period_start_us, err) ||
        !parse_time(root, "period_end", &info->period_end_us, err) ||
        !parse_time(root, "created_at", &info->created_us, err))
        return false;
    if (since_us != INT64_MIN)
        rfc3339_format_us(info->since, since_us);
    return true;
}

/* ---- reading: the files ---- */

static bool parse_size(struct json_value object, struct archive_file *file, struct error *err)
{
    unsigned char sum[SHA256_BYTES];
    file->present = true;
    file->after = file->first_seq = file->last_seq = -1;
    if (!json_need_i64(object, "count", 0, INT64_MAX, &file->count, err) ||
        !json_need_i64(object, "bytes", 0, INT64_MAX, &file->bytes, err) ||
        !json_need_string(object, "sha256", file->sha256, sizeof(file->sha256), err))
        return false;
    if (!text_hex_decode(view_of(file->sha256), sum, sizeof(sum)))
        return error_set(err, ERR_INPUT, "member `sha256`: expected 64 hexadecimal digits");
    text_hex_encode(file->sha256, sum, sizeof(sum));
    return true;
}

/* Lines of a table have no seq: null for both. */
static bool parse_range(struct json_value object, struct archive_file *file, struct error *err)
{
    if (json_present(json_member(object, "after")) &&
        !json_need_i64(object, "after", 0, INT64_MAX, &file->after, err))
        return false;
    if (file->count == 0 ||
        (json_is_null(json_member(object, "first_seq")) && json_is_null(json_member(object, "last_seq"))))
        return true;
    return json_need_i64(object, "first_seq", 0, INT64_MAX, &file->first_seq, err) &&
           json_need_i64(object, "last_seq", file->first_seq, INT64_MAX, &file->last_seq, err);
}

static bool parse_name(struct json_value object, char out[ARCHIVE_FILE_BYTES], struct error *err)
{
    if (!json_need_string(object, "file", out, ARCHIVE_FILE_BYTES, err))
        return false;
    bool plain = out[0] != '\0' && out[0] != '.' && strchr(out, '/') == NULL;
    return plain || error_set(err, ERR_INPUT, "member `file`: expected the name of a file beside the json");
}

static bool parse_file(struct json_value root, struct archive_info *info, enum archive_stream stream,
                       struct error *err)
{
    struct json_value object = json_member(root, stream_words[stream]);
    struct archive_file *file = &info->files[stream];
    if (!json_present(object))
        return true;
    return (parse_name(object, file->file, err) && parse_size(object, file, err) &&
            (stream == ARCHIVE_CHANNELS || parse_range(object, file, err))) ||
           error_wrap(err, "member `%s`", stream_words[stream]);
}

bool archive_info_parse(struct view text, struct archive_info *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(text, ARCHIVE_INFO_MAX_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct archive_info info = {.present = true};
    if (!parse_kind(root, &info, err) || !parse_names(root, &info, err) || !parse_times(root, &info, err) ||
        !parse_size(root, &info.files[ARCHIVE_READINGS], err) ||
        !parse_range(root, &info.files[ARCHIVE_READINGS], err) ||
        !parse_file(root, &info, ARCHIVE_ALARMS, err) || !parse_file(root, &info, ARCHIVE_CHANNELS, err))
        return false;
    *out = info;
    return true;
}

/* ---- beside an archive ---- */

bool archive_json_path(const char *archive_path, struct path *out)
{
    struct view path = view_of(archive_path);
    for (size_t i = 0; i < COUNT_OF(format_words); i++) {
        const char *suffix = pack_suffix((enum pack_format)i);
        if (view_ends(path, suffix))
            return path_printf(out, NULL, "%.*s.json", (int)(path.size - strlen(suffix)), archive_path);
    }
    return false;
}

bool archive_info_load(const char *archive_path, struct archive_info *out, struct error *err)
{
    struct path json_path;
    *out = (struct archive_info){.present = false};
    if (!archive_json_path(archive_path, &json_path) || !file_exists(json_path.text))
        return true;
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    if (!file_read_path(json_path.text, &text, err))
        return false;
    return archive_info_parse(buf_view(&text), out, err) || error_wrap(err, "%s", json_path.text);
}

/* ---- cursors ---- */

int64_t archive_info_end(const struct archive_info *info, enum archive_stream stream)
{
    const struct archive_file *file = &info->files[stream];
    if (!file->present || file->count == 0 || stream == ARCHIVE_CHANNELS)
        return 0;
    if (file->last_seq >= 0)
        return file->last_seq;
    int64_t end = info->period_end_us < info->created_us ? info->period_end_us : info->created_us;
    return end > 0 ? end : 0;
}

bool archive_info_follows(const struct archive_info *info, enum archive_stream stream, int64_t cursor)
{
    const struct archive_file *file = &info->files[stream];
    if (!file->present)
        return false;
    if (file->after >= 0)
        return file->after <= cursor;
    if (stream != ARCHIVE_READINGS || file->first_seq < 0)
        return false;
    bool by_time = info->since[0] != '\0';
    return !by_time || (file->first_seq - 1 <= cursor && file->last_seq - file->first_seq == file->count - 1);
}
