#include "updater/pending_files.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "common/os/beneath.h"

enum {
    META_MAX_BYTES = 6 * PENDING_NOTES_MAX_BYTES + 8192, /* a control character in JSON has six bytes */
    SMALL_MAX_BYTES = 16 * 1024,
    ZIP_PREFIX_BYTES = sizeof("update_v") - 1,
};

static const char *const state_names[] = {
    [UPDATE_NONE] = "none",
    [UPDATE_PENDING] = "pending",
    [UPDATE_APPROVED] = "approved",
    [UPDATE_APPLYING] = "applying",
    [UPDATE_PROBATION] = "probation",
    [UPDATE_COMMITTED] = "committed",
    [UPDATE_ROLLED_BACK] = "rolled_back",
    [UPDATE_FAILED] = "failed",
    [UPDATE_REJECTED] = "rejected",
};

const char *update_state_name(enum update_state state)
{
    return state_names[state];
}

bool update_state_is_end(enum update_state state)
{
    return state >= UPDATE_COMMITTED;
}

/* ---- where they are ---- */

bool pending_folder(const char *root, struct path *out, struct error *err)
{
    return path_join(out, root, "pending_update", err);
}

bool pending_path(const char *root, const char *name, struct path *out, struct error *err)
{
    return path_printf(out, err, "%s/pending_update/%s", root, name);
}

int pending_folder_open(const char *root, struct error *err)
{
    struct path folder;
    if (!pending_folder(root, &folder, err) || !folder_make_all(folder.text, PENDING_FOLDER_MODE, err))
        return -1;
    return file_open(folder.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
}

bool pending_zip_name_ok(const char *name)
{
    struct view view = view_of(name);
    return view_starts(view, "update_v") && view_ends(view, ".zip") && strchr(name, '/') == NULL &&
           view.size > ZIP_PREFIX_BYTES + sizeof(".zip") - 1;
}

/* ---- reading ---- */

/* What the system refuses is no proof that a file is missing or makes no sense: on that much hangs. */
static bool is_nonsense(const struct error *cause)
{
    return cause->code == ERR_NOT_FOUND || cause->code == ERR_INPUT || cause->code == ERR_LIMIT;
}

/* *out: NULL when it is not there or no JSON. text: what the document refers to. */
static bool read_json(int folder, const char *name, struct buf *text, struct json **out, struct error *err)
{
    struct stat about;
    struct error cause = {.code = ERR_NONE};
    SCOPE_FD int fd = file_open_beneath(folder, name, &about, &cause);
    *out = NULL;
    if (fd >= 0 && file_read_all(fd, text, &cause))
        *out = json_parse(buf_view(text), text->limit_bytes, &cause);
    return *out != NULL || is_nonsense(&cause) || error_set(err, cause.code, "%s: %s", name, cause.text);
}

static bool get_time(struct json_value object, const char *key, int64_t *out)
{
    char text[RFC3339_US_BYTES];
    return json_get_string(json_member(object, key), text, sizeof(text)) &&
           rfc3339_parse_us(view_of(text), out);
}

static bool get_sha256(struct json_value object, char out[MANIFEST_SHA256_BYTES])
{
    unsigned char raw[(MANIFEST_SHA256_BYTES - 1) / 2];
    return json_get_string(json_member(object, "manifest_sha256"), out, MANIFEST_SHA256_BYTES) &&
           text_hex_decode(view_of(out), raw, sizeof(raw));
}

static bool get_version(struct json_value object, const char *key, char out[RELEASE_VERSION_BYTES])
{
    return json_get_string(json_member(object, key), out, RELEASE_VERSION_BYTES) && release_version_ok(out);
}

/* "" when it is missing. */
static bool get_previous(struct json_value object, char out[RELEASE_VERSION_BYTES])
{
    return !json_present(json_member(object, "previous")) || get_version(object, "previous", out);
}

static bool get_text(struct json_value object, const char *key, char *out, size_t out_bytes)
{
    if (!json_get_string(json_member(object, key), out, out_bytes))
        return false;
    text_make_printable(out);
    return true;
}

static char *get_notes(struct json_value object)
{
    struct buf notes = BUF_LIMIT(PENDING_NOTES_MAX_BYTES);
    struct json_value member = json_member(object, "notes");
    if (json_append_string(member, &notes) && buf_append_byte(&notes, '\0'))
        return notes.data;
    buf_clear(&notes);
    return NULL;
}

static bool zip_is_there(int folder, const char *name)
{
    struct stat about;
    return pending_zip_name_ok(name) && fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(about.st_mode);
}

static bool get_meta(struct json_value root, int folder, struct pending *out)
{
    struct pending read = *out;
    if (!json_get_string(json_member(root, "file"), read.file, sizeof(read.file)) ||
        !get_version(root, "version", read.version) || !get_sha256(root, read.manifest_sha256) ||
        !get_time(root, "received_at", &read.received_us) ||
        !get_text(root, "from", read.from, sizeof(read.from)) || !zip_is_there(folder, read.file))
        return false;
    read.notes = get_notes(root);
    if (read.notes == NULL)
        return false;
    *out = read;
    return true;
}

bool pending_meta_read(int folder, struct pending *out, bool *found, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(META_MAX_BYTES);
    SCOPE_JSON struct json *json = NULL;
    if (!read_json(folder, "meta.json", &text, &json, err))
        return false;
    *found = json != NULL && get_meta(json_root(json), folder, out);
    if (!*found)
        out->notes = strdup("");
    return out->notes != NULL || error_set(err, ERR_MEMORY, "no memory left");
}

static bool get_approval(struct json_value root, struct pending *out)
{
    struct pending read = *out;
    if (!get_sha256(root, read.manifest_sha256) || !get_time(root, "approved_at", &read.approved_us) ||
        !get_text(root, "by", read.approved_by, sizeof(read.approved_by)))
        return false;
    *out = read;
    return true;
}

/* One of the small files, as a struct. */
static bool read_small(int folder, const char *name, bool (*get)(struct json_value root, struct pending *out),
                       struct pending *out, bool *found, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SMALL_MAX_BYTES);
    SCOPE_JSON struct json *json = NULL;
    if (!read_json(folder, name, &text, &json, err))
        return false;
    *found = json != NULL && get(json_root(json), out);
    return true;
}

bool pending_approval_read(int folder, struct pending *out, bool *found, struct error *err)
{
    return read_small(folder, "approved.json", get_approval, out, found, err);
}

static bool get_state(struct json_value object, enum update_state *out)
{
    char word[PENDING_REASON_BYTES];
    if (!json_get_string(json_member(object, "state"), word, sizeof(word)))
        return false;
    for (enum update_state state = UPDATE_NONE; state <= UPDATE_REJECTED; state++) {
        if (strcmp(word, update_state_name(state)) == 0) {
            *out = state;
            return true;
        }
    }
    return false;
}

static bool get_all_of_state(struct json_value root, struct pending *out)
{
    struct pending read = *out;
    if (!get_state(root, &read.state) || !get_version(root, "version", read.version) ||
        !get_sha256(root, read.manifest_sha256) || !get_time(root, "received_at", &read.received_us) ||
        !get_time(root, "changed_at", &read.changed_us) || !get_previous(root, read.previous) ||
        !get_text(root, "reason", read.reason, sizeof(read.reason)) ||
        !get_text(root, "text", read.text, sizeof(read.text)))
        return false;
    *out = read;
    return true;
}

bool pending_state_read(int folder, struct pending *out, bool *found, struct error *err)
{
    return read_small(folder, "state.json", get_all_of_state, out, found, err);
}

/* ---- writing ---- */

static bool put(const char *root, const char *name, struct buf *text, struct error *err)
{
    struct path path;
    buf_append_byte(text, '\n');
    return buf_check(text, name, err) && pending_path(root, name, &path, err) &&
           file_replace(path.text, buf_view(text), PENDING_FILE_MODE, err);
}

bool pending_meta_write(const char *root, const struct pending *meta, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(META_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "file", meta->file);
    json_string(&writer, "version", meta->version);
    json_string(&writer, "manifest_sha256", meta->manifest_sha256);
    json_string(&writer, "notes", meta->notes);
    json_time_us(&writer, "received_at", meta->received_us);
    json_string(&writer, "from", meta->from);
    json_end_object(&writer);
    return put(root, "meta.json", &text, err);
}

bool pending_approval_write(const char *root, const struct pending *approval, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SMALL_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "manifest_sha256", approval->manifest_sha256);
    json_time_us(&writer, "approved_at", approval->approved_us);
    json_string(&writer, "by", approval->approved_by);
    json_end_object(&writer);
    return put(root, "approved.json", &text, err);
}

bool pending_state_write(const char *root, const struct pending *state, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SMALL_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "state", update_state_name(state->state));
    json_string(&writer, "version", state->version);
    json_string(&writer, "manifest_sha256", state->manifest_sha256);
    json_time_us(&writer, "received_at", state->received_us);
    if (state->previous[0] != '\0')
        json_string(&writer, "previous", state->previous);
    json_string(&writer, "reason", state->reason);
    json_string(&writer, "text", state->text);
    json_time_us(&writer, "changed_at", state->changed_us);
    json_end_object(&writer);
    return put(root, "state.json", &text, err);
}

/* ---- floors ---- */

#ifndef TELEHAUL_BUILD_TIME_S /* the Makefile says it */
#define TELEHAUL_BUILD_TIME_S 0
#endif

bool update_floors_read(const char *root, struct update_floors *out, struct error *err)
{
    struct update_floors floors = {.time_us = TELEHAUL_BUILD_TIME_S * INT64_C(1000000)};
    SCOPE_FD int folder = pending_folder_open(root, err);
    if (folder < 0)
        return false;
    SCOPE_BUF struct buf text = BUF_LIMIT(SMALL_MAX_BYTES);
    SCOPE_JSON struct json *json = NULL;
    if (!read_json(folder, "floors.json", &text, &json, err))
        return false;
    struct update_floors read = floors;
    if (json != NULL && get_version(json_root(json), "version", read.version) &&
        get_time(json_root(json), "time", &read.time_us)) {
        if (read.time_us < floors.time_us)
            read.time_us = floors.time_us;
        floors = read;
    }
    *out = floors;
    return true;
}

static bool update_floors_write(const char *root, const struct update_floors *floors, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SMALL_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "version", floors->version);
    json_time_us(&writer, "time", floors->time_us);
    json_end_object(&writer);
    return put(root, "floors.json", &text, err);
}

bool update_floors_raise(const char *root, const char *version, int64_t time_us, struct error *err)
{
    struct update_floors floors;
    if (!update_floors_read(root, &floors, err))
        return false;
    bool higher = floors.version[0] == '\0' || release_version_compare(version, floors.version) > 0;
    if (!higher && time_us <= floors.time_us)
        return true;
    if (higher)
        snprintf(floors.version, sizeof(floors.version), "%s", version);
    if (time_us > floors.time_us)
        floors.time_us = time_us;
    return update_floors_write(root, &floors, err);
}
