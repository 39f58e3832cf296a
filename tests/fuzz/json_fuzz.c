/* The JSON reader: whatever passes the validator is walked whole, written anew, and must then read the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/net/json.h"
#include "common/net/json_writer.h"

enum { TEXT_MAX_BYTES = 1024 * 1024, WRITTEN_MAX_BYTES = 8 * TEXT_MAX_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void write_value(struct json_writer *writer, const char *key, struct json_value value);

static void write_members(struct json_writer *writer, struct json_value container)
{
    struct json_value at = {0};
    struct view raw_key = {NULL, 0};
    size_t count = 0;
    while (json_next(container, &at, &raw_key)) {
        count++;
        if (json_type_of(container) == JSON_ARRAY) {
            write_value(writer, NULL, at);
            continue;
        }
        SCOPE_BUF struct buf key = BUF_LIMIT(TEXT_MAX_BYTES);
        buf_append_view(&key, raw_key);
        json_raw_text(writer, NULL, VIEW_LITERAL("")); /* the comma */
        buf_append_byte(writer->out, '"');
        buf_append_view(writer->out, raw_key);
        buf_append_text(writer->out, "\":");
        writer->need_comma = false;
        write_value(writer, NULL, at);
        if (raw_key.size == 0 || (memchr(raw_key.data, '\\', raw_key.size) == NULL))
            must(json_member(container, buf_text(&key)).token == at.token);
    }
    must(count == json_count(container));
}

static void write_string(struct json_writer *writer, const char *key, struct json_value value)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    if (json_append_string(value, &text))
        json_string_view(writer, key, buf_view(&text));
    else
        json_raw_text(writer, key, json_raw(value)); /* holds U+0000 */
}

static void write_value(struct json_writer *writer, const char *key, struct json_value value)
{
    double number;
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        json_object(writer, key);
        write_members(writer, value);
        json_end_object(writer);
        break;
    case JSON_ARRAY:
        json_array(writer, key);
        write_members(writer, value);
        json_end_array(writer);
        break;
    case JSON_STRING:
        write_string(writer, key, value);
        break;
    case JSON_NUMBER:
        if (json_get_double(value, &number))
            json_double(writer, key, number);
        else
            json_raw_text(writer, key, json_raw(value));
        break;
    default:
        json_raw_text(writer, key, json_raw(value));
    }
}

/* Parses text and writes it in normal form. */
static bool normalise(struct view text, struct buf *out)
{
    SCOPE_JSON struct json *json = json_parse(text, WRITTEN_MAX_BYTES, NULL);
    if (json == NULL)
        return false;
    struct json_writer writer;
    json_writer_init(&writer, out);
    write_value(&writer, NULL, json_root(json));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = {(const char *)data, size};
    struct error err;
    if (!json_validate(text, TEXT_MAX_BYTES, &err))
        return 0;
    SCOPE_BUF struct buf once = BUF_LIMIT(WRITTEN_MAX_BYTES);
    SCOPE_BUF struct buf twice = BUF_LIMIT(WRITTEN_MAX_BYTES);
    must(normalise(text, &once));
    must(normalise(buf_view(&once), &twice));
    must(view_equal(buf_view(&once), buf_view(&twice)));
    return 0;
}
