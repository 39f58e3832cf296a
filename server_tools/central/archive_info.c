#include "server_tools/central/archive_info.h"

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/os/file.h"

#define ARCHIVE_SUFFIX ".gz"

static bool parse_stream(struct json_value root, struct error *err)
{
    char stream[32];
    if (!json_need_string(root, "stream", stream, sizeof(stream), err))
        return false;
    return strcmp(stream, "readings") == 0 ||
           error_set(err, ERR_INPUT, "member `stream`: only archives of readings can be imported");
}

static bool parse_names(struct json_value root, struct archive_info *info, struct error *err)
{
    if (!json_need_string(root, "client_id", info->client_id, sizeof(info->client_id), err) ||
        !json_need_string(root, "store_id", info->store_id, sizeof(info->store_id), err) ||
        !json_need_string(root, "sha256", info->sha256, sizeof(info->sha256), err))
        return false;
    unsigned char sum[SHA256_BYTES];
    if (!text_hex_decode(view_of(info->sha256), sum, sizeof(sum)))
        return error_set(err, ERR_INPUT, "member `sha256`: expected 64 hexadecimal digits");
    text_hex_encode(info->sha256, sum, sizeof(sum));
    if (info->store_id[0] == '\0')
        return error_set(err, ERR_INPUT, "member `store_id`: empty");
    return central_client_id_ok(info->client_id) ||
           error_set(err, ERR_INPUT, "member `client_id`: no client id");
}

/* What the archive follows on. */
static bool parse_beginning(struct json_value root, struct archive_info *info, struct error *err)
{
    struct json_value since = json_member(root, "since");
    info->since = json_present(since) && !json_is_null(since);
    info->after = -1;
    return !json_present(json_member(root, "after")) ||
           json_need_i64(root, "after", 0, INT64_MAX, &info->after, err);
}

static bool parse_numbers(struct json_value root, struct archive_info *info, struct error *err)
{
    if (!json_need_i64(root, "count", 0, INT64_MAX, &info->count, err) ||
        !json_need_i64(root, "bytes", 0, INT64_MAX, &info->bytes, err))
        return false;
    if (info->count == 0)
        return true;
    return json_need_i64(root, "first_seq", 0, INT64_MAX, &info->first_seq, err) &&
           json_need_i64(root, "last_seq", info->first_seq, INT64_MAX, &info->last_seq, err);
}

bool archive_info_parse(struct view text, struct archive_info *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(text, ARCHIVE_INFO_MAX_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct archive_info info = {.present = true};
    if (!parse_stream(root, err) || !parse_names(root, &info, err) || !parse_beginning(root, &info, err) ||
        !parse_numbers(root, &info, err))
        return false;
    *out = info;
    return true;
}

bool archive_info_load(const char *archive_path, struct archive_info *out, struct error *err)
{
    struct view path = view_of(archive_path);
    struct view suffix = VIEW_LITERAL(ARCHIVE_SUFFIX);
    *out = (struct archive_info){.present = false};
    if (path.size <= suffix.size || strcmp(path.data + path.size - suffix.size, ARCHIVE_SUFFIX) != 0)
        return true;
    struct path json_path;
    if (!path_printf(&json_path, err, "%.*s.json", (int)(path.size - suffix.size), archive_path))
        return false;
    if (!file_exists(json_path.text))
        return true;
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    if (!file_read_path(json_path.text, &text, err))
        return false;
    return archive_info_parse(buf_view(&text), out, err) || error_wrap(err, "%s", json_path.text);
}
