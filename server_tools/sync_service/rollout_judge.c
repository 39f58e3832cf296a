#include "server_tools/sync_service/rollout_judge.h"

#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json.h"

enum { COMPARED_BYTES = 96 }; /* a SHA-256 or a version, and what is longer is neither */

/* Whatever is said there, cut to what there is room for; "" for none. */
static void read_text(struct json_value value, char *out, size_t out_bytes)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(ROLLOUT_STATUS_MAX_BYTES);
    out[0] = '\0';
    if (!json_present(value) || !json_append_string(value, &text))
        return;
    snprintf(out, out_bytes, "%s", buf_text(&text));
    text_make_printable(out);
}

static bool says(struct json_value object, const char *key, const char *expected)
{
    char text[COMPARED_BYTES];
    return json_get_string(json_member(object, key), text, sizeof(text)) && strcmp(text, expected) == 0;
}

/* ---- its history ---- */

static const struct {
    const char *event;
    enum rollout_state state;
} ends[] = {
    {"committed", ROLLOUT_HEALTHY},
    {"failed", ROLLOUT_FAILED},
    {"rolled_back", ROLLOUT_ROLLED_BACK},
    {"rejected", ROLLOUT_REJECTED},
};

static void make_mark(struct json_value entry, char out[ROLLOUT_MARK_BYTES])
{
    char time[ROLLOUT_WORD_BYTES], event[ROLLOUT_WORD_BYTES], version[ROLLOUT_WORD_BYTES];
    read_text(json_member(entry, "time"), time, sizeof(time));
    read_text(json_member(entry, "event"), event, sizeof(event));
    read_text(json_member(entry, "version"), version, sizeof(version));
    snprintf(out, ROLLOUT_MARK_BYTES, "%.63s %.63s %.60s", time, event, version);
    text_make_printable(out); /* half a character at the cut: no text for PostgreSQL */
}

static bool take_end(struct json_value entry, const char *version, struct rollout_seen *out)
{
    char event[ROLLOUT_WORD_BYTES];
    read_text(json_member(entry, "event"), event, sizeof(event));
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (strcmp(event, ends[i].event) != 0 || !says(entry, "version", version))
            continue;
        out->there = true;
        out->state = ends[i].state;
        read_text(json_member(entry, "reason"), out->reason, sizeof(out->reason));
        read_text(json_member(entry, "text"), out->detail, sizeof(out->detail));
        if (out->state == ROLLOUT_REJECTED && strcmp(out->reason, "withdrawn") == 0)
            out->state = ROLLOUT_WITHDRAWN;
        return true;
    }
    return false;
}

/* It was committed, and yet it is not what runs: another version came after it, or the machine contradicts
 * itself and is asked again. */
static void take_back(bool went_on, struct rollout_seen *out)
{
    out->contradicts = !went_on;
    out->there = went_on;
    out->state = ROLLOUT_FAILED;
    snprintf(out->reason, sizeof(out->reason), "%s", "replaced");
    out->detail[0] = '\0';
}

/* The newest end of our version, if it is newer than the mark; entries come the newest first. What runs and
 * has proved itself was seen before. */
static void find_end(struct json_value history, const char *version, const char *mark,
                     struct rollout_seen *out)
{
    struct json_value entry = {.json = NULL};
    bool went_on = false; /* another version was committed later */
    while (json_next(history, &entry, NULL)) {
        char name[ROLLOUT_MARK_BYTES];
        make_mark(entry, name);
        if (strcmp(name, mark) == 0)
            return;
        if (take_end(entry, version, out)) {
            if (out->state == ROLLOUT_HEALTHY)
                take_back(went_on, out);
            return;
        }
        went_on = went_on || says(entry, "event", "committed");
    }
}

static void find_mark(struct json_value history, char out[ROLLOUT_MARK_BYTES])
{
    struct json_value newest = {.json = NULL};
    out[0] = '\0';
    if (json_next(history, &newest, NULL))
        make_mark(newest, out);
}

/* ---- what is under way ---- */

static const struct {
    const char *word;
    enum rollout_state state;
} under_way[] = {
    {"pending", ROLLOUT_QUEUED},
    {"approved", ROLLOUT_APPROVED},
    {"applying", ROLLOUT_APPLYING},
    {"probation", ROLLOUT_APPLYING},
};

static bool take_pending(struct json_value root, const char *manifest_sha256, struct rollout_seen *out)
{
    struct json_value pending = json_member(root, "pending");
    out->other = json_present(pending) && json_type_of(pending) == JSON_OBJECT;
    if (!says(pending, "manifest_sha256", manifest_sha256))
        return false;
    out->other = false;
    for (size_t i = 0; i < COUNT_OF(under_way); i++) {
        if (!says(root, "state", under_way[i].word))
            continue;
        out->there = true;
        out->state = under_way[i].state;
        if (out->state == ROLLOUT_QUEUED)
            read_text(json_member(root, "waiting_for"), out->waiting_for, sizeof(out->waiting_for));
        return true;
    }
    return false;
}

/* It runs, and nothing has to prove itself any more. */
static bool take_running(struct json_value root, const char *version, struct rollout_seen *out)
{
    bool unproven = says(root, "state", "applying") || says(root, "state", "probation");
    out->there = !unproven && strcmp(out->current_version, version) == 0;
    out->state = ROLLOUT_HEALTHY;
    return out->there;
}

bool rollout_judge(struct view answer, const char *version, const char *manifest_sha256, const char *mark,
                   struct rollout_seen *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(answer, ROLLOUT_STATUS_MAX_BYTES, err);
    if (json == NULL) {
        if (err != NULL)
            err->code = ERR_PROTOCOL;
        return error_wrap(err, "/update/status");
    }
    struct json_value root = json_root(json);
    struct json_value history = json_member(root, "history");
    struct rollout_seen seen = {.there = false};
    read_text(json_member(root, "current_version"), seen.current_version, sizeof(seen.current_version));
    if (seen.current_version[0] == '\0' || json_type_of(root) != JSON_OBJECT || !json_present(history) ||
        json_type_of(history) != JSON_ARRAY)
        return error_set(err, ERR_PROTOCOL, "/update/status: no current_version or no history");
    find_mark(history, seen.mark);
    if (!take_pending(root, manifest_sha256, &seen) && !take_running(root, version, &seen) && mark != NULL)
        find_end(history, version, mark, &seen);
    *out = seen;
    return true;
}
