#include "common/wire/agent_words.h"

#include <string.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"

enum { DETAIL_BYTES = 256 };

#define STORE_ID_CHARACTERS "0123456789abcdefABCDEF-"

/* ---- refusals ---- */

void agent_answer_text(struct view body, const char *member, char *out, size_t out_bytes)
{
    out[0] = '\0';
    SCOPE_JSON struct json *json = json_parse(body, AGENT_ANSWER_MAX_BYTES, NULL);
    if (json != NULL && json_get_string(json_member(json_root(json), member), out, out_bytes))
        text_make_printable(out);
}

bool agent_answer_explain(unsigned status, struct view body, const char *what, enum error_code code,
                          struct error *err)
{
    char word[AGENT_WORD_BYTES];
    char detail[DETAIL_BYTES];
    agent_answer_text(body, "error", word, sizeof(word));
    agent_answer_text(body, "detail", detail, sizeof(detail));
    return error_set(err, code, "answered %u%s%s%s%s to %s", status, word[0] != '\0' ? " " : "", word,
                     detail[0] != '\0' ? ", " : "", detail, what);
}

/* ---- status ---- */

static bool read_store(struct json_value root, struct agent_status *status, struct error *err)
{
    if (json_is_null(json_member(root, "store_id")))
        return true;
    if (!json_need_string(root, "store_id", status->store_id, sizeof(status->store_id), err))
        return false;
    status->has_seq = !json_is_null(json_member(root, "next_seq"));
    if (status->has_seq && !json_need_i64(root, "next_seq", 0, INT64_MAX, &status->next_seq, err))
        return false;
    return (status->store_id[0] != '\0' &&
            status->store_id[strspn(status->store_id, STORE_ID_CHARACTERS)] == '\0') ||
           error_set(err, ERR_PROTOCOL, "member `store_id`: expected a UUID");
}

static bool read_agent(struct json_value root, struct agent_status *status, struct error *err)
{
    struct json_value said = json_member(root, "agent_id");
    return !json_present(said) || json_is_null(said) ||
           json_need_string(root, "agent_id", status->agent_id, sizeof(status->agent_id), err);
}

/* Nothing hangs on it but a note that the clocks differ: an agent may leave it out. */
static void read_clock(struct json_value root, struct agent_status *status)
{
    char text[RFC3339_US_BYTES + 8];
    status->clock_us = INT64_MIN;
    if (json_get_string(json_member(root, "clock"), text, sizeof(text)) &&
        !rfc3339_parse_us(view_of(text), &status->clock_us))
        status->clock_us = INT64_MIN;
}

/* Whether the list has the word. Words that are not known here are somebody else's; no list has none. */
static bool offers(struct json_value root, const char *list, const char *word)
{
    char item[32];
    struct json_value at = {0};
    while (json_next(json_member(root, list), &at, NULL)) {
        if (json_get_string(at, item, sizeof(item)) && strcmp(item, word) == 0)
            return true;
    }
    return false;
}

bool agent_status_read(struct view body, struct agent_status *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, AGENT_ANSWER_MAX_BYTES, err);
    struct agent_status status = {.next_seq = 0};
    if (json == NULL ||
        !json_need_string(json_root(json), "version", status.version, sizeof(status.version), err) ||
        !read_agent(json_root(json), &status, err) || !read_store(json_root(json), &status, err)) {
        if (err != NULL)
            err->code = ERR_PROTOCOL;
        return false;
    }
    text_make_printable(status.version);
    text_make_printable(status.agent_id);
    read_clock(json_root(json), &status);
    status.zstd = offers(json_root(json), "export_formats", "zstd");
    status.alarms = offers(json_root(json), "export_streams", "alarms");
    status.channels = offers(json_root(json), "export_streams", "channels");
    *out = status;
    return true;
}
