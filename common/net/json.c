#include "common/net/json.h"

#include <limits.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/json_chars.h"
#include "common/net/json_validate.h"

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <jsmn.h>
#pragma GCC diagnostic pop

/* Order of tokens: a container, then all that is in it; a key, then its value. */
struct json {
    struct view text;
    int count;
    jsmntok_t *tokens;
    int *after; /* of each token: the first one that is not inside it */
};

/* A token ends where the last one inside it ends. */
static void link_siblings(struct json *json)
{
    for (int i = 0; i < json->count; i++)
        json->after[i] = i + 1;
    for (int i = json->count - 1; i > 0; i--) {
        int parent = json->tokens[i].parent;
        if (parent >= 0 && json->after[parent] < json->after[i])
            json->after[parent] = json->after[i];
    }
}

struct json *json_parse(struct view text, size_t max_bytes, struct error *err)
{
    size_t count;
    if (!json_check(text, max_bytes, &count, err))
        return NULL;
    struct json *json = calloc(1, sizeof(*json));
    if (json != NULL) {
        json->text = text;
        json->count = (int)count;
        json->tokens = calloc(count, sizeof(*json->tokens));
        json->after = calloc(count, sizeof(*json->after));
    }
    if (json == NULL || json->tokens == NULL || json->after == NULL) {
        json_free(json);
        error_set(err, ERR_MEMORY, "no memory left for a JSON document");
        return NULL;
    }
    jsmn_parser parser;
    jsmn_init(&parser);
    int found = jsmn_parse(&parser, text.data, text.size, json->tokens, (unsigned)count);
    if (found != json->count) {
        json_free(json);
        error_set(err, ERR_INTERNAL, "the JSON validator counted %zu tokens, the parser %d", count, found);
        return NULL;
    }
    link_siblings(json);
    return json;
}

void json_free(struct json *json)
{
    if (json == NULL)
        return;
    free(json->tokens);
    free(json->after);
    free(json);
}

/* ---- places ---- */

static const struct json_value absent = {NULL, -1};

struct json_value json_root(const struct json *json)
{
    return (struct json_value){json, 0};
}

bool json_present(struct json_value value)
{
    return value.json != NULL && value.token >= 0;
}

static const jsmntok_t *token_of(struct json_value value)
{
    return &value.json->tokens[value.token];
}

static struct view token_text(const struct json *json, const jsmntok_t *token)
{
    return (struct view){json->text.data + token->start, (size_t)(token->end - token->start)};
}

enum json_type json_type_of(struct json_value value)
{
    const jsmntok_t *token = token_of(value);
    if (token->type == JSMN_OBJECT)
        return JSON_OBJECT;
    if (token->type == JSMN_ARRAY)
        return JSON_ARRAY;
    if (token->type == JSMN_STRING)
        return JSON_STRING;
    switch (value.json->text.data[token->start]) {
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

static bool is_type(struct json_value value, enum json_type type)
{
    return json_present(value) && json_type_of(value) == type;
}

struct json_value json_member(struct json_value object, const char *key)
{
    if (!is_type(object, JSON_OBJECT))
        return absent;
    struct view wanted = view_of(key);
    struct view name;
    struct json_value at = {NULL, 0};
    while (json_next(object, &at, &name)) {
        if (json_chars_equal(name, wanted))
            return at;
    }
    return absent;
}

size_t json_count(struct json_value container)
{
    bool has_members = is_type(container, JSON_OBJECT) || is_type(container, JSON_ARRAY);
    return has_members ? (size_t)token_of(container)->size : 0;
}

bool json_next(struct json_value container, struct json_value *at, struct view *key)
{
    bool object = is_type(container, JSON_OBJECT);
    if (!object && !is_type(container, JSON_ARRAY))
        return false;
    const struct json *json = container.json;
    int next = at->json == NULL ? container.token + 1 : json->after[at->token];
    if (next >= json->after[container.token])
        return false;
    if (object && key != NULL)
        *key = token_text(json, &json->tokens[next]);
    *at = (struct json_value){json, object ? next + 1 : next};
    return true;
}

/* ---- values ---- */

struct view json_raw(struct json_value value)
{
    if (!json_present(value))
        return (struct view){NULL, 0};
    struct view text = token_text(value.json, token_of(value));
    if (token_of(value)->type == JSMN_STRING)
        return (struct view){text.data - 1, text.size + 2}; /* with its quotes */
    return text;
}

bool json_get_bool(struct json_value value, bool *out)
{
    if (!is_type(value, JSON_BOOL))
        return false;
    *out = value.json->text.data[token_of(value)->start] == 't';
    return true;
}

bool json_get_i64(struct json_value value, int64_t min, int64_t max, int64_t *out)
{
    return is_type(value, JSON_NUMBER) && text_parse_i64(json_raw(value), min, max, out);
}

bool json_get_double(struct json_value value, double *out)
{
    return is_type(value, JSON_NUMBER) && text_parse_double(json_raw(value), out);
}

bool json_is_null(struct json_value value)
{
    return is_type(value, JSON_NULL);
}

/* Decodes into out when it is not NULL; in any case *size is what it needs. False with U+0000 inside. */
static bool decode(struct view raw, char *out, size_t *size)
{
    struct json_chars chars;
    json_chars_init(&chars, raw);
    size_t used = 0;
    for (int byte; (byte = json_chars_next(&chars)) >= 0; used++) {
        if (byte == 0)
            return false;
        if (out != NULL)
            out[used] = (char)byte;
    }
    *size = used;
    return true;
}

bool json_get_string(struct json_value value, char *out, size_t out_bytes)
{
    size_t size;
    if (!is_type(value, JSON_STRING))
        return false;
    struct view raw = token_text(value.json, token_of(value));
    if (!decode(raw, NULL, &size) || size >= out_bytes || !decode(raw, out, &size))
        return false;
    out[size] = '\0';
    return true;
}

bool json_get_cut_string(struct json_value value, char *out, size_t out_bytes)
{
    struct json_chars chars;
    size_t size = 0;
    int byte;
    if (!is_type(value, JSON_STRING))
        return false;
    json_chars_init(&chars, token_text(value.json, token_of(value)));
    while ((byte = json_chars_next(&chars)) >= 0 && size + 1 < out_bytes)
        out[size++] = byte == 0 ? '?' : (char)byte;
    /* what did not fit is inside a character: its beginning goes too */
    while (byte >= 0 && (byte & 0xc0) == 0x80 && size > 0)
        byte = (unsigned char)out[--size];
    out[size] = '\0';
    return true;
}

bool json_append_string(struct json_value value, struct buf *out)
{
    size_t size;
    if (!is_type(value, JSON_STRING))
        return false;
    struct view raw = token_text(value.json, token_of(value));
    if (!decode(raw, NULL, &size))
        return false;
    char *room = buf_reserve(out, size);
    if (room == NULL || !decode(raw, room, &size))
        return false;
    buf_commit(out, size);
    return true;
}

/* ---- with a text for people ---- */

bool json_need_string(struct json_value object, const char *key, char *out, size_t out_bytes,
                      struct error *err)
{
    if (json_get_string(json_member(object, key), out, out_bytes))
        return true;
    return error_set(err, ERR_INPUT, "member `%s`: expected a string of at most %zu bytes", key,
                     out_bytes - 1);
}

bool json_need_i64(struct json_value object, const char *key, int64_t min, int64_t max, int64_t *out,
                   struct error *err)
{
    if (json_get_i64(json_member(object, key), min, max, out))
        return true;
    return error_set(err, ERR_INPUT, "member `%s`: expected a whole number from %lld to %lld", key,
                     (long long)min, (long long)max);
}

static bool is_one_of(struct view raw, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (json_chars_equal(raw, view_of(*names)))
            return true;
    }
    return false;
}

enum { SHOWN_KEY_BYTES = 64 };

bool json_only_members(struct json_value object, const char *const *names, struct error *err)
{
    if (!is_type(object, JSON_OBJECT))
        return error_set(err, ERR_INPUT, "expected an object");
    struct view key;
    struct json_value at = {NULL, 0};
    while (json_next(object, &at, &key)) {
        if (is_one_of(key, names))
            continue;
        if (key.size > SHOWN_KEY_BYTES)
            return error_set(err, ERR_INPUT, "unknown member");
        return error_set(err, ERR_INPUT, "unknown member `%.*s`", VIEW_ARG(key));
    }
    return true;
}
