#include "common/app/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/app/nearest.h"
#include "common/base/text.h"
#include "common/os/file.h"

enum { FOUND_SHOWN_BYTES = 80, MS_PER_S = 1000, FRACTION_DIGITS = 3 };

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
    const struct config_file *file;
    const char *name; /* of the file, as messages show it; CONFIG_PATH starts at its folder */
    char *target;     /* the caller's struct */
    unsigned line;    /* 0: a default */
    unsigned seen_line[CONFIG_MAX_KEYS]; /* where a key stood first; 0: not yet */
};

/* ---- words --------------------------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

bool config_next_word(struct view *rest, struct view *word)
{
    struct view text = text_trim(*rest);
    bool quoted = false;
    size_t end = 0;
    for (; end < text.size && (quoted || !is_blank(text.data[end])); end++) {
        if (text.data[end] == '"')
            quoted = !quoted;
    }
    *rest = (struct view){end < text.size ? text.data + end : NULL, text.size - end};
    if (end == 0)
        return false;
    *word = (struct view){text.data, end};
    return true;
}

struct view config_unquote(struct view word)
{
    if (word.size < 2 || word.data[0] != '"' ||
        memchr(word.data + 1, '"', word.size - 1) != word.data + word.size - 1)
        return word;
    return (struct view){word.data + 1, word.size - 2};
}

bool config_word_pair(struct view word, struct view *key, struct view *value)
{
    const char *equals = word.size > 0 ? memchr(word.data, '=', word.size) : NULL;
    if (equals == NULL || equals == word.data)
        return false;
    *key = (struct view){word.data, (size_t)(equals - word.data)};
    *value = config_unquote((struct view){equals + 1, word.size - key->size - 1});
    return true;
}

/* ---- values -------------------------------------------------------------------------------------------- */

static bool add_line(struct config_lines *lines, struct view value, unsigned line, struct error *err)
{
    if (lines->count == CONFIG_MAX_REPEATS)
        return error_set(err, ERR_LIMIT, "expected at most %d lines of this key", CONFIG_MAX_REPEATS);
    size_t count = lines->count;
    if ((count & (count - 1)) == 0) { /* a power of two: full */
        size_t capacity = count == 0 ? 1 : 2 * count;
        void *text = realloc(lines->lines, capacity * sizeof(lines->lines[0]));
        if (text == NULL)
            return error_set(err, ERR_MEMORY, "no memory left");
        lines->lines = text;
        void *numbers = realloc(lines->line_numbers, capacity * sizeof(lines->line_numbers[0]));
        if (numbers == NULL)
            return error_set(err, ERR_MEMORY, "no memory left");
        lines->line_numbers = numbers;
    }
    if (!text_copy(lines->lines[count], CONFIG_TEXT_BYTES, value))
        return error_set(err, ERR_USAGE, "expected at most %d bytes", CONFIG_TEXT_BYTES - 1);
    lines->line_numbers[count] = line;
    lines->count++;
    return true;
}

static bool set_text(char *out, struct view value, struct error *err)
{
    if (!text_copy(out, CONFIG_TEXT_BYTES, value))
        return error_set(err, ERR_USAGE, "expected at most %d bytes", CONFIG_TEXT_BYTES - 1);
    return true;
}

static bool set_bool(bool *out, struct view value, struct error *err)
{
    if (!view_is(value, "yes") && !view_is(value, "no"))
        return error_set(err, ERR_USAGE, "expected yes or no");
    *out = view_is(value, "yes");
    return true;
}

static bool set_choice(int *out, const char *choices, struct view value, struct error *err)
{
    struct view rest = view_of(choices);
    for (int i = 0; rest.size > 0; i++) {
        if (view_equal(text_cut(&rest, '|'), value)) {
            *out = i;
            return true;
        }
    }
    return error_set(err, ERR_USAGE, "expected one of %s", choices);
}

static bool set_number(const struct config_key *key, int64_t *out, struct view value, struct error *err)
{
    if (!text_parse_i64(value, key->min, key->max, out))
        return error_set(err, ERR_USAGE, "expected a whole number from %" PRId64 " to %" PRId64, key->min,
                         key->max);
    return true;
}

/* Digits, perhaps a point and up to three more: whole milliseconds. */
static bool parse_seconds(struct view text, int64_t *out_ms)
{
    struct view fraction = text;
    struct view whole = text_cut(&fraction, '.');
    int64_t seconds = 0;
    uint64_t ms = 0;
    bool has_point = whole.size < text.size;
    if (!text_parse_i64(whole, 0, INT64_MAX / MS_PER_S - 1, &seconds) ||
        (has_point && (fraction.size > FRACTION_DIGITS || !text_parse_u64(fraction, MS_PER_S - 1, &ms))))
        return false;
    for (size_t digits = fraction.size; has_point && digits < FRACTION_DIGITS; digits++)
        ms *= 10;
    *out_ms = seconds * MS_PER_S + (int64_t)ms;
    return true;
}

static bool set_seconds(const struct config_key *key, int64_t *out, struct view value, struct error *err)
{
    int64_t ms;
    if (!parse_seconds(value, &ms) || ms < key->min || ms > key->max)
        return error_set(err, ERR_USAGE, "expected seconds from %g to %g, with at most %d decimals",
                         (double)key->min / MS_PER_S, (double)key->max / MS_PER_S, FRACTION_DIGITS);
    *out = ms;
    return true;
}

/* A file that the config names must be there; one that is only the default need not. */
static bool set_path(const struct reader *reader, char *out, struct view value, struct error *err)
{
    if (!set_text(out, value, err))
        return false;
    if (reader->line == 0 || value.size == 0)
        return true;
    const char *slash = strrchr(reader->name, '/');
    int folder = out[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - reader->name);
    struct path path;
    if (!path_printf(&path, err, "%.*s%s", folder, reader->name, out))
        return false;
    if (!file_exists(path.text))
        return error_set(err, ERR_USAGE, "expected a file that is there");
    return true;
}

/* A custom or repeated value, judged by its key's own check. */
static bool set_checked(const struct reader *reader, const struct config_key *key, struct view value,
                        struct error *err)
{
    char text[CONFIG_TEXT_BYTES];
    if (!set_text(text, value, err) || (key->check != NULL && !key->check(text, err)))
        return false;
    void *out = reader->target + key->offset;
    return key->kind == CONFIG_REPEAT ? add_line(out, value, reader->line, err) : set_text(out, value, err);
}

static bool set_value(const struct reader *reader, const struct config_key *key, struct view raw,
                      struct error *err)
{
    void *out = reader->target + key->offset;
    struct view value = config_unquote(raw);
    switch (key->kind) {
    case CONFIG_TEXT:
        return set_text(out, value, err);
    case CONFIG_NUMBER:
        return set_number(key, out, value, err);
    case CONFIG_SECONDS:
        return set_seconds(key, out, value, err);
    case CONFIG_BOOL:
        return set_bool(out, value, err);
    case CONFIG_CHOICE:
        return set_choice(out, key->choices, value, err);
    case CONFIG_PATH:
        return set_path(reader, out, value, err);
    case CONFIG_CUSTOM:
        return set_checked(reader, key, value, err);
    case CONFIG_REPEAT: /* its words have quotes of their own */
        return set_checked(reader, key, raw, err);
    }
    return error_set(err, ERR_INTERNAL, "key %s is of no known kind", key->name);
}

static bool set_default(const struct reader *reader, const struct config_key *key, struct error *err)
{
    if (key->default_value == NULL || set_value(reader, key, view_of(key->default_value), err))
        return true;
    return error_wrap(err, "the default of %s", key->name);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

/* The line without its comment and the blanks around it. */
static bool strip_comment(struct view *line, struct error *err)
{
    bool quoted = false;
    size_t end = 0;
    for (; end < line->size && (quoted || line->data[end] != '#'); end++) {
        unsigned char byte = (unsigned char)line->data[end];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return error_set(err, ERR_USAGE, "expected text, found the control character 0x%02x", byte);
        if (byte == '"')
            quoted = !quoted;
    }
    if (quoted)
        return error_set(err, ERR_USAGE, "expected a \" that ends the quoted text");
    line->size = end;
    *line = text_trim(*line);
    return true;
}

static bool unknown_key(const struct reader *reader, struct view name, struct error *err)
{
    const struct config_file *file = reader->file;
    struct nearest nearest = {NULL, 0};
    for (size_t i = 0; i < file->key_count; i++)
        nearest_offer(&nearest, name, file->keys[i].name);
    bool similar = nearest.name != NULL;
    if (file->unknown_is_error)
        return error_set(err, ERR_USAGE, "unknown key %.*s%s%s%s", VIEW_ARG(name),
                         similar ? "; did you mean " : "", similar ? nearest.name : "", similar ? "?" : "");
    if (file->log != NULL)
        log_warn(file->log, "%s:%u: unknown key %.*s is ignored%s%s%s", reader->name, reader->line,
                 VIEW_ARG(name), similar ? "; did you mean " : "", similar ? nearest.name : "",
                 similar ? "?" : "");
    return true;
}

static bool set_key(struct reader *reader, size_t index, struct view value, struct error *err)
{
    const struct config_key *key = &reader->file->keys[index];
    unsigned first = reader->seen_line[index];
    if (first != 0 && key->kind != CONFIG_REPEAT)
        return error_set(err, ERR_USAGE, "%s: expected once, stands already in line %u", key->name, first);
    reader->seen_line[index] = reader->line;
    if (set_value(reader, key, value, err))
        return true;
    struct error expected = *err;
    if (key->kind == CONFIG_TEXT) /* too long; it may be a password */
        return error_wrap(err, "%s", key->name);
    int shown = value.size < FOUND_SHOWN_BYTES ? (int)value.size : FOUND_SHOWN_BYTES;
    return error_set(err, expected.code == ERR_MEMORY ? ERR_MEMORY : ERR_USAGE, "%s: %.*s, found `%.*s%s`",
                     key->name, ERROR_TEXT_BYTES / 2, expected.text, shown, value.size > 0 ? value.data : "",
                     value.size > FOUND_SHOWN_BYTES ? "..." : "");
}

static bool parse_line(struct reader *reader, struct view line, struct error *err)
{
    if (line.size > CONFIG_LINE_BYTES)
        return error_set(err, ERR_USAGE, "expected a line of at most %d bytes", CONFIG_LINE_BYTES);
    if (!strip_comment(&line, err))
        return false;
    if (line.size == 0)
        return true;
    struct view value = line;
    struct view name = text_trim(text_cut(&value, '='));
    if (name.size == 0 || name.size == line.size)
        return error_set(err, ERR_USAGE, "expected KEY = value, found `%.*s`",
                         line.size < FOUND_SHOWN_BYTES ? (int)line.size : FOUND_SHOWN_BYTES, line.data);
    value = text_trim(value);
    for (size_t i = 0; i < reader->file->key_count; i++) {
        if (view_is(name, reader->file->keys[i].name))
            return set_key(reader, i, value, err);
    }
    return unknown_key(reader, name, err);
}

static bool parse_all(struct reader *reader, struct view text, struct error *err)
{
    const struct config_file *file = reader->file;
    if (file->key_count > CONFIG_MAX_KEYS)
        return error_set(err, ERR_INTERNAL, "a config has at most %d keys", CONFIG_MAX_KEYS);
    for (size_t i = 0; i < file->key_count; i++) {
        if (file->keys[i].kind != CONFIG_REPEAT && !set_default(reader, &file->keys[i], err))
            return false;
    }
    if (view_starts(text, BYTE_ORDER_MARK)) {
        text.data += strlen(BYTE_ORDER_MARK);
        text.size -= strlen(BYTE_ORDER_MARK);
    }
    for (unsigned number = 1; text.size > 0; number++) {
        struct view line = text_cut(&text, '\n');
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        reader->line = number;
        if (!text_is_utf8(line))
            return error_set(err, ERR_USAGE, "%s:%u: expected UTF-8", reader->name, number);
        if (!parse_line(reader, line, err))
            return error_wrap(err, "%s:%u", reader->name, number);
    }
    reader->line = 0;
    if (file->lines != NULL)
        memcpy(file->lines, reader->seen_line, file->key_count * sizeof(file->lines[0]));
    for (size_t i = 0; i < file->key_count; i++) {
        bool missing = file->keys[i].kind == CONFIG_REPEAT && reader->seen_line[i] == 0;
        if (missing && !set_default(reader, &file->keys[i], err))
            return false;
    }
    return true;
}

bool config_parse(const struct config_file *file, const char *name, struct view text, void *target,
                  struct error *err)
{
    struct error mine = {0}; /* messages are built from it even when the caller wants none */
    struct reader reader = {.file = file, .name = name, .target = target};
    if (parse_all(&reader, text, err != NULL ? err : &mine))
        return true;
    config_clear(file, target);
    return false;
}

bool config_read(const struct config_file *file, const char *path, void *target, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    return file_read_path(path, &text, err) && config_parse(file, path, buf_view(&text), target, err);
}

bool config_set(const struct config_file *file, const char *origin, const char *key, struct view value,
                void *target, struct error *err)
{
    struct reader reader = {.file = file, .name = origin, .target = target};
    struct error problem = {.code = ERR_NONE};
    for (size_t i = 0; i < file->key_count; i++) {
        if (strcmp(file->keys[i].name, key) != 0)
            continue;
        if (file->keys[i].kind == CONFIG_PATH || file->keys[i].kind == CONFIG_REPEAT)
            return error_set(err, ERR_USAGE, "%s: %s can only stand in the config", origin, key);
        if (set_key(&reader, i, value, &problem)) {
            if (file->lines != NULL)
                file->lines[i] = 0;
            return true;
        }
        return error_set(err, problem.code, "%s: %s", origin, problem.text);
    }
    return error_set(err, ERR_NOT_FOUND, "%s: no key %s", origin, key);
}

void config_clear(const struct config_file *file, void *target)
{
    for (size_t i = 0; i < file->key_count; i++) {
        if (file->keys[i].kind != CONFIG_REPEAT)
            continue;
        struct config_lines *lines = (void *)((char *)target + file->keys[i].offset);
        free(lines->lines);
        free(lines->line_numbers);
        *lines = (struct config_lines){0};
    }
}

void config_write_defaults(const struct config_file *file, struct buf *out)
{
    for (size_t i = 0; i < file->key_count; i++) {
        const struct config_key *key = &file->keys[i];
        bool active = key->default_value != NULL && key->kind != CONFIG_PATH;
        const char *value = key->default_value != NULL ? key->default_value : key->example;
        buf_printf(out, "%s# %s\n%s%s =%s%s\n", i > 0 ? "\n" : "", key->help, active ? "" : "# ", key->name,
                   value != NULL && value[0] != '\0' ? " " : "", value != NULL ? value : "");
    }
}
