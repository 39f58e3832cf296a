#include "common/net/json_validate.h"

#include <limits.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/json_chars.h"

/* What may come next:
 *
 *   VALUE ---------> AFTER_VALUE ---> DONE
 *     | '{' '['        |  ^  |
 *     v            ',' |  |  | ',' in an object
 *   FIRST_ELEMENT <----'  |  v
 *   FIRST_MEMBER -------> MEMBER (key and colon) -> VALUE
 */
enum state { VALUE, FIRST_ELEMENT, FIRST_MEMBER, MEMBER, AFTER_VALUE, DONE };

struct frame {
    bool object;
    size_t first_key; /* index into keys: those of this object follow */
};

struct checker {
    struct view text;
    size_t at;
    size_t tokens;
    enum state state;
    size_t depth;
    struct frame stack[JSON_MAX_DEPTH];
    struct buf keys; /* struct view each: raw keys of the objects that are still open */
    struct error *err;
};

enum {
    END = -1,
    FEW_KEYS = 8, /* compared each with each */
};

static bool fail(struct checker *c, const char *what)
{
    return error_set(c->err, ERR_INPUT, "byte %zu: %s", c->at, what);
}

static int peek(const struct checker *c)
{
    return c->at < c->text.size ? (unsigned char)c->text.data[c->at] : END;
}

static bool expected(struct checker *c, const char *what)
{
    if (peek(c) == END)
        return error_set(c->err, ERR_INPUT, "byte %zu: the text ends where %s was expected", c->at, what);
    return error_set(c->err, ERR_INPUT, "byte %zu: expected %s", c->at, what);
}

static void skip_blanks(struct checker *c)
{
    for (;; c->at++) {
        int byte = peek(c);
        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r')
            return;
    }
}

static bool count_token(struct checker *c)
{
    if (c->tokens >= JSON_MAX_TOKENS)
        return error_set(c->err, ERR_LIMIT, "more than %d JSON values and keys", JSON_MAX_TOKENS);
    c->tokens++;
    return true;
}

/* ---- strings ---- */

/* at stands on the first hexadecimal digit; moves behind the fourth. */
static int take_hex4(struct checker *c)
{
    if (c->text.size - c->at < 4)
        return -1;
    int code = json_hex4(c->text.data + c->at);
    c->at += 4;
    return code;
}

/* at stands behind "\u". A high surrogate must be followed by a low one, a low one by nothing. */
static bool check_unicode_escape(struct checker *c)
{
    int code = take_hex4(c);
    if (code < 0)
        return fail(c, "\\u needs four hexadecimal digits");
    if (code < 0xd800 || code > 0xdfff)
        return true;
    if (code > 0xdbff || c->text.size - c->at < 2 || memcmp(c->text.data + c->at, "\\u", 2) != 0)
        return fail(c, "half of a surrogate pair");
    c->at += 2;
    int low = take_hex4(c);
    return (low >= 0xdc00 && low <= 0xdfff) || fail(c, "half of a surrogate pair");
}

/* at stands on the backslash. */
static bool check_escape(struct checker *c)
{
    c->at++;
    int byte = peek(c);
    if (byte == END)
        return expected(c, "the rest of an escape");
    c->at++;
    if (byte == 'u')
        return check_unicode_escape(c);
    if (byte != '\0' && strchr("\"\\/bfnrt", byte) != NULL)
        return true;
    return fail(c, "unknown escape");
}

/* Moves over plain characters; returns them all or-ed together: whether there is one above ASCII. */
static int skip_plain(struct checker *c)
{
    const unsigned char *text = (const unsigned char *)c->text.data;
    size_t size = c->text.size;
    size_t at = c->at;
    int seen = 0;
    for (; at < size && text[at] >= 0x20 && text[at] != '"' && text[at] != '\\'; at++)
        seen |= text[at];
    c->at = at;
    return seen;
}

/* at stands on the opening quote; moves behind the closing one. */
static bool check_string(struct checker *c, struct view *raw)
{
    size_t begin = ++c->at;
    int seen = skip_plain(c);
    while (peek(c) != '"') {
        if (peek(c) == END)
            return expected(c, "the end of a string");
        if (peek(c) != '\\')
            return fail(c, "a control character inside a string");
        if (!check_escape(c))
            return false;
        seen |= skip_plain(c);
    }
    *raw = (struct view){c->text.data + begin, c->at - begin};
    c->at++;
    if ((seen & 0x80) != 0 && !text_is_utf8(*raw))
        return fail(c, "this string is not valid UTF-8");
    return count_token(c);
}

/* ---- numbers and words ---- */

static bool take_digits(struct checker *c)
{
    size_t begin = c->at;
    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    return c->at > begin;
}

/* RFC 8259, section 6. */
static bool check_number(struct checker *c)
{
    if (peek(c) == '-')
        c->at++;
    if (peek(c) == '0')
        c->at++;
    else if (!take_digits(c))
        return expected(c, "a digit");
    if (peek(c) == '.') {
        c->at++;
        if (!take_digits(c))
            return expected(c, "a digit after the decimal point");
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->at++;
        if (peek(c) == '+' || peek(c) == '-')
            c->at++;
        if (!take_digits(c))
            return expected(c, "a digit in the exponent");
    }
    return count_token(c);
}

static bool check_word(struct checker *c, struct view word)
{
    if (c->text.size - c->at < word.size || memcmp(c->text.data + c->at, word.data, word.size) != 0)
        return expected(c, "a value");
    c->at += word.size;
    return count_token(c);
}

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
    return json_chars_compare(*(const struct view *)a, *(const struct view *)b);
}

static size_t key_count(const struct checker *c)
{
    return c->keys.size / sizeof(struct view);
}

static bool add_key(struct checker *c, struct view raw)
{
    if (key_count(c) - c->stack[c->depth - 1].first_key >= JSON_MAX_KEYS_AN_OBJECT)
        return error_set(c->err, ERR_LIMIT, "byte %zu: more than %d keys in one object", c->at,
                         JSON_MAX_KEYS_AN_OBJECT);
    return buf_append(&c->keys, &raw, sizeof(raw)) || buf_check(&c->keys, "JSON keys", c->err);
}

static bool fail_twice(struct checker *c, const struct view *a, const struct view *b)
{
    const char *later = a->data > b->data ? a->data : b->data;
    c->at = (size_t)(later - c->text.data);
    return fail(c, "this key stands twice in one object");
}

static bool check_few_keys(struct checker *c, const struct view *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (json_chars_compare(keys[i], keys[j]) == 0)
                return fail_twice(c, &keys[i], &keys[j]);
        }
    }
    return true;
}

/* Sorting by the decoded text itself costs n log n comparisons whatever the keys are: there is no hash whose
 * collisions somebody could choose. */
static bool check_unique_keys(struct checker *c, size_t first)
{
    size_t count = key_count(c) - first;
    if (count < 2)
        return true;
    struct view *keys = (struct view *)(void *)c->keys.data + first;
    if (count <= FEW_KEYS)
        return check_few_keys(c, keys, count);
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return fail_twice(c, &keys[i - 1], &keys[i]);
    }
    return true;
}

/* ---- nesting ---- */

static bool open_container(struct checker *c, bool object)
{
    if (c->depth == JSON_MAX_DEPTH)
        return error_set(c->err, ERR_LIMIT, "byte %zu: nested deeper than %d", c->at, JSON_MAX_DEPTH);
    c->stack[c->depth++] = (struct frame){object, key_count(c)};
    c->at++;
    c->state = object ? FIRST_MEMBER : FIRST_ELEMENT;
    return count_token(c);
}

static bool close_container(struct checker *c)
{
    const struct frame *frame = &c->stack[--c->depth];
    c->at++;
    c->state = AFTER_VALUE;
    if (!check_unique_keys(c, frame->first_key))
        return false;
    c->keys.size = frame->first_key * sizeof(struct view);
    return true;
}

/* ---- the states ---- */

static bool on_value(struct checker *c)
{
    int byte = peek(c);
    if (byte == '{' || byte == '[')
        return open_container(c, byte == '{');
    c->state = AFTER_VALUE;
    struct view ignored;
    switch (byte) {
    case '"':
        return check_string(c, &ignored);
    case 't':
        return check_word(c, VIEW_LITERAL("true"));
    case 'f':
        return check_word(c, VIEW_LITERAL("false"));
    case 'n':
        return check_word(c, VIEW_LITERAL("null"));
    default:
        if (byte == '-' || (byte >= '0' && byte <= '9'))
            return check_number(c);
        return expected(c, "a value");
    }
}

static bool on_member(struct checker *c)
{
    if (peek(c) != '"')
        return expected(c, "a key");
    struct view key;
    if (!check_string(c, &key) || !add_key(c, key))
        return false;
    skip_blanks(c);
    if (peek(c) != ':')
        return expected(c, "`:`");
    c->at++;
    c->state = VALUE;
    return true;
}

static bool after_value(struct checker *c)
{
    if (c->depth == 0) {
        c->state = DONE;
        return peek(c) == END || fail(c, "something follows the value");
    }
    bool object = c->stack[c->depth - 1].object;
    if (peek(c) == (object ? '}' : ']'))
        return close_container(c);
    if (peek(c) != ',')
        return expected(c, object ? "`,` or `}`" : "`,` or `]`");
    c->at++;
    c->state = object ? MEMBER : VALUE;
    return true;
}

static bool step(struct checker *c)
{
    switch (c->state) {
    case VALUE:
        return on_value(c);
    case FIRST_ELEMENT:
        return peek(c) == ']' ? close_container(c) : on_value(c);
    case FIRST_MEMBER:
        return peek(c) == '}' ? close_container(c) : on_member(c);
    case MEMBER:
        return on_member(c);
    case AFTER_VALUE:
        return after_value(c);
    case DONE:
        break;
    }
    return false;
}

static bool check_document(struct checker *c)
{
    if (view_starts(c->text, "\xef\xbb\xbf"))
        return fail(c, "a byte-order mark");
    while (c->state != DONE) {
        skip_blanks(c);
        if (!step(c))
            return false;
    }
    return true;
}

bool json_check(struct view text, size_t max_bytes, size_t *tokens, struct error *err)
{
    if (max_bytes > INT_MAX)
        max_bytes = INT_MAX; /* jsmn counts in int */
    if (text.size > max_bytes)
        return error_set(err, ERR_LIMIT, "JSON text is larger than %zu bytes", max_bytes);
    struct checker checker = {
        .text = text,
        .state = VALUE,
        .keys = BUF_LIMIT((size_t)JSON_MAX_DEPTH * JSON_MAX_KEYS_AN_OBJECT * sizeof(struct view)),
        .err = err,
    };
    bool ok = check_document(&checker);
    buf_clear(&checker.keys);
    if (ok)
        *tokens = checker.tokens;
    return ok;
}

bool json_validate(struct view text, size_t max_bytes, struct error *err)
{
    size_t ignored;
    return json_check(text, max_bytes, &ignored, err);
}
