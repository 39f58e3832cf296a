#include "collector/line_protocol.h"

#include <ctype.h>

#include "common/base/decimal.h"
#include "common/base/text.h"

enum { SHOWN_BYTES = 24 };

struct scan {
    struct view line; /* for places in messages */
    const char *at, *end;
    struct error *err;
};

static bool expected(const struct scan *scan, const char *what)
{
    size_t left = (size_t)(scan->end - scan->at);
    int shown = (int)(left < SHOWN_BYTES ? left : SHOWN_BYTES);
    return error_set(scan->err, ERR_INPUT, "byte %zu: expected %s, found `%.*s`",
                     (size_t)(scan->at - scan->line.data) + 1, what, shown, scan->at);
}

static bool is_blank(char byte)
{
    return byte == ' ';
}

static bool is_escapable(char byte)
{
    return byte == ',' || byte == '=' || byte == ' ';
}

static bool next_is(const struct scan *scan, char byte)
{
    return scan->at < scan->end && *scan->at == byte;
}

static bool take(struct scan *scan, char byte)
{
    if (!next_is(scan, byte))
        return false;
    scan->at++;
    return true;
}

/* Returns how many there were. */
static size_t skip_blanks(struct scan *scan)
{
    const char *from = scan->at;
    while (scan->at < scan->end && is_blank(*scan->at))
        scan->at++;
    return (size_t)(scan->at - from);
}

/* Up to an unescaped comma or blank, or an equals sign that ends a name. */
static struct view take_name(struct scan *scan, bool equals_ends)
{
    const char *from = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        char byte = *scan->at;
        if (byte == '\\' && scan->end - scan->at > 1 && is_escapable(scan->at[1]))
            scan->at++;
        else if (byte == ',' || byte == ' ' || (byte == '=' && equals_ends))
            break;
    }
    return (struct view){from, (size_t)(scan->at - from)};
}

/* ---- tags ---- */

/* By the bytes that the names mean; escapes stand in front of `,`, `=` and blanks alone. */
static int compare_names(struct view a, struct view b)
{
    size_t i = 0;
    size_t j = 0;
    while (i < a.size && j < b.size) {
        i += i + 1 < a.size && a.data[i] == '\\' && is_escapable(a.data[i + 1]);
        j += j + 1 < b.size && b.data[j] == '\\' && is_escapable(b.data[j + 1]);
        int difference = (unsigned char)a.data[i++] - (unsigned char)b.data[j++];
        if (difference != 0)
            return difference;
    }
    return (i < a.size) - (j < b.size);
}

/* Into its place: writers send them sorted, so this is one comparison. */
static bool insert_tag(struct scan *scan, struct line_point *out, struct line_tag tag)
{
    size_t at = out->tag_count;
    int order = 1;
    while (at > 0 && (order = compare_names(tag.key, out->tags[at - 1].key)) < 0)
        at--;
    if (at > 0 && order == 0)
        return expected(scan, "each tag once");
    memmove(&out->tags[at + 1], &out->tags[at], (out->tag_count - at) * sizeof(out->tags[0]));
    out->tags[at] = tag;
    out->tag_count++;
    return true;
}

static bool take_tags(struct scan *scan, struct line_point *out)
{
    out->tag_count = 0;
    while (take(scan, ',')) {
        struct line_tag tag;
        if (out->tag_count == LINE_MAX_TAGS)
            return expected(scan, "no more tags (there are 64)");
        tag.key = take_name(scan, true);
        if (tag.key.size == 0 || !take(scan, '='))
            return expected(scan, "a tag as key=value");
        tag.value = take_name(scan, true);
        if (tag.value.size == 0 || next_is(scan, '='))
            return expected(scan, "a tag's value");
        if (!insert_tag(scan, out, tag))
            return false;
    }
    return true;
}

/* ---- fields ---- */

static bool take_text(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end; scan->at++) {
        if (*scan->at == '"') {
            scan->at++;
            return true;
        }
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1;
    }
    return expected(scan, "a \" that ends the text");
}

static bool parse_bool(struct view word, double *value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"t", 1}, {"T", 1}, {"true", 1},  {"True", 1},  {"TRUE", 1},
                 {"f", 0}, {"F", 0}, {"false", 0}, {"False", 0}, {"FALSE", 0}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (view_is(word, words[i].word)) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_whole(struct view digits, char kind, double *value)
{
    int64_t with_sign;
    uint64_t without;
    if (kind == 'i' && text_parse_i64(digits, INT64_MIN, INT64_MAX, &with_sign))
        *value = (double)with_sign;
    else if (kind == 'u' && text_parse_u64(digits, UINT64_MAX, &without))
        *value = (double)without;
    else
        return false;
    return true;
}

/* Most are JSON numbers; `1.`, `.5` and `+1` are not. */
static bool parse_value(struct view word, double *value)
{
    if (word.size == 0)
        return false;
    char last = word.data[word.size - 1];
    if (last == 'i' || last == 'u')
        return parse_whole((struct view){word.data, word.size - 1}, last, value);
    return decimal_parse(word, value) || text_parse_double(word, value) || parse_bool(word, value);
}

static bool take_value(struct scan *scan, struct line_field *field)
{
    field->is_text = next_is(scan, '"');
    field->value = 0;
    if (field->is_text)
        return take_text(scan);
    struct view word = {scan->at, 0};
    while (scan->at < scan->end && *scan->at != ',' && !is_blank(*scan->at))
        scan->at++;
    word.size = (size_t)(scan->at - word.data);
    if (parse_value(word, &field->value))
        return true;
    scan->at = word.data;
    return expected(scan, "a number, 12i, 12u, true, false or \"text\"");
}

static bool take_fields(struct scan *scan, struct line_point *out)
{
    out->field_count = 0;
    do {
        if (out->field_count == LINE_MAX_FIELDS)
            return expected(scan, "no more fields (there are 1024)");
        struct line_field *field = &out->fields[out->field_count];
        field->key = take_name(scan, true);
        if (field->key.size == 0 || !take(scan, '='))
            return expected(scan, "a field as name=value");
        if (!take_value(scan, field))
            return false;
        out->field_count++;
    } while (take(scan, ','));
    return true;
}

/* ---- lines ---- */

static bool take_time(struct scan *scan, struct line_point *out)
{
    size_t blanks = skip_blanks(scan);
    out->has_time = scan->at < scan->end;
    out->time = 0;
    if (!out->has_time)
        return true;
    struct view word = {scan->at, (size_t)(scan->end - scan->at)};
    while (word.size > 0 && is_blank(word.data[word.size - 1]))
        word.size--;
    return (blanks > 0 && text_parse_i64(word, INT64_MIN, INT64_MAX, &out->time)) ||
           expected(scan, "a timestamp, a whole number, or the end");
}

static struct view without_cr(struct view line)
{
    line.size -= line.size > 0 && line.data[line.size - 1] == '\r';
    return line;
}

bool line_parse(struct view line, struct line_point *out, struct error *err)
{
    line = without_cr(line);
    if (line.size >= LINE_MAX_BYTES)
        return error_set(err, ERR_INPUT, "a line is longer than %d bytes", LINE_MAX_BYTES - 1);
    struct scan scan = {.line = line, .at = line.data, .end = line.data + line.size, .err = err};
    skip_blanks(&scan);
    out->measurement = take_name(&scan, false);
    if (out->measurement.size == 0)
        return expected(&scan, "a measurement's name");
    if (!take_tags(&scan, out))
        return false;
    if (skip_blanks(&scan) == 0)
        return expected(&scan, "a blank and a field");
    return take_fields(&scan, out) && take_time(&scan, out);
}

bool line_is_empty(struct view line)
{
    line = without_cr(line);
    while (line.size > 0 && is_blank(line.data[0]))
        line = (struct view){line.data + 1, line.size - 1};
    return line.size == 0 || line.data[0] == '#';
}

/* Where the fields begin: behind the first blank that is not escaped. NULL: in no line of these bytes. */
static const char *fields_of(struct view line)
{
    struct scan scan = {.line = line, .at = line.data, .end = line.data + line.size};
    skip_blanks(&scan);
    do {
        take_name(&scan, false);
    } while (take(&scan, ','));
    return scan.at < scan.end ? scan.at : NULL;
}

/* The LF that ends a line with quotes in it. A quoted string stands behind a field's equals sign alone. */
static const char *end_behind_texts(struct view bytes)
{
    const char *end = bytes.data + bytes.size;
    bool inside = false;
    bool behind_equals = false;
    for (const char *at = fields_of(bytes); at != NULL && at < end; at++) {
        bool may_begin = behind_equals;
        behind_equals = !inside && *at == '=';
        if (*at == '\\' && end - at > 1 && (inside || is_escapable(at[1])))
            at++;
        else if (*at == '"' && (inside || may_begin))
            inside = !inside;
        else if (*at == '\n' && !inside)
            return at;
    }
    return NULL;
}

size_t line_end(struct view bytes)
{
    const char *end = bytes.size > 0 ? memchr(bytes.data, '\n', bytes.size) : NULL;
    if (end == NULL)
        return 0;
    struct view first = {bytes.data, (size_t)(end - bytes.data)};
    if (first.size > 0 && memchr(first.data, '"', first.size) != NULL && !line_is_empty(first) &&
        fields_of(first) != NULL)
        end = end_behind_texts(bytes);
    return end == NULL ? 0 : (size_t)(end - bytes.data) + 1;
}

size_t line_unescape(char *out, struct view text)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        i += i + 1 < text.size && text.data[i] == '\\' && is_escapable(text.data[i + 1]);
        out[size++] = text.data[i];
    }
    return size;
}
