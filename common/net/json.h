/* JSON from outside: a strict validator of our own (RFC 8259 to the letter, UTF-8, no duplicate keys, no
 * trailing bytes, limits) runs first; only then jsmn tokenises what is known to be well-formed.
 * Threads: a document belongs to one thread at a time; reading is safe from several. */
#ifndef COMMON_NET_JSON_H
#define COMMON_NET_JSON_H

#include <stdint.h>

#include "common/base/buf.h"

enum {
    JSON_MAX_DEPTH = 32,
    JSON_MAX_TOKENS = 200000,
    JSON_MAX_KEYS_AN_OBJECT = 4096,
};

/* Whether text is one JSON value and nothing else. max_bytes: refused above it. Errors: ERR_INPUT with the
 * byte offset and what is wrong; ERR_LIMIT. A byte-order mark is refused. */
bool json_validate(struct view text, size_t max_bytes, struct error *err) MUST_USE;

struct json; /* a parsed document: the tokens and a reference to the text */

/* Validates and tokenises. text: borrowed, must outlive the document. */
struct json *json_parse(struct view text, size_t max_bytes, struct error *err) MUST_USE;
void json_free(struct json *json); /* NULL is fine */
static inline void scope_json(struct json **json)
{
    json_free(*json);
}
#define SCOPE_JSON SCOPE(scope_json)

enum json_type { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };

/* A place in a document. The getters below take any place and fail on one of another type. */
struct json_value {
    const struct json *json;
    int token; /* -1: absent */
};

struct json_value json_root(const struct json *json);
bool json_present(struct json_value value);
enum json_type json_type_of(struct json_value value); /* of a present value */

/* The member of an object; absent when there is none or it is no object. */
struct json_value json_member(struct json_value object, const char *key);
/* How many members or elements; 0 for other types. */
size_t json_count(struct json_value container);
/* Walks elements of an array, or members of an object (*key is its raw name then; key may be NULL):
 *   struct json_value at = {0}; while (json_next(array, &at, NULL)) ... starts with at.json == NULL. */
bool json_next(struct json_value container, struct json_value *at, struct view *key);

/* Each: false when absent or of another type or out of range; *out untouched. */
bool json_get_bool(struct json_value value, bool *out) MUST_USE;
/* Whole numbers only: no fraction, no exponent. */
bool json_get_i64(struct json_value value, int64_t min, int64_t max, int64_t *out) MUST_USE;
bool json_get_double(struct json_value value, double *out) MUST_USE;
bool json_is_null(struct json_value value);
/* Decodes the escapes into out with a NUL; false when it does not fit or holds U+0000. */
bool json_get_string(struct json_value value, char *out, size_t out_bytes) MUST_USE;
/* As much of it as fits, cut behind a whole character; U+0000 becomes '?'. out_bytes: at least 1. */
bool json_get_cut_string(struct json_value value, char *out, size_t out_bytes) MUST_USE;
/* As json_get_string, appended to a buffer. */
bool json_append_string(struct json_value value, struct buf *out) MUST_USE;
/* The raw text of any value. */
struct view json_raw(struct json_value value);

/* Errors with a text for people: "member `key`: expected a string of at most 64 bytes". */
bool json_need_string(struct json_value object, const char *key, char *out, size_t out_bytes,
                      struct error *err) MUST_USE;
bool json_need_i64(struct json_value object, const char *key, int64_t min, int64_t max, int64_t *out,
                   struct error *err) MUST_USE;

/* True when every member of the object is one of the NULL-terminated names. */
bool json_only_members(struct json_value object, const char *const *names, struct error *err) MUST_USE;

#endif
