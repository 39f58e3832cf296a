/* Line protocol: where a line ends does not depend on what follows; what is a point has names and values that
 * can be; and a channel's name can be taken apart again into exactly the measurement, the field and the tags.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "collector/line_channel.h"

enum { PREFIXES_MAX_BYTES = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* An end that is found stays where it is, and is found as soon as it is there. */
static void check_prefixes(struct view bytes, size_t end)
{
    for (size_t size = 0; size < end && size < PREFIXES_MAX_BYTES; size++)
        must(line_end((struct view){bytes.data, size}) == 0);
    must(line_end((struct view){bytes.data, end}) == end);
}

/* The part of the name up to one of the ends that has no backslash in front; *ending: which. */
static struct view take_part(struct view *name, const char *ends, char *out, char *ending)
{
    size_t size = 0;
    *ending = '\0';
    while (name->size > 0) {
        char byte = name->data[0];
        *name = (struct view){name->data + 1, name->size - 1};
        if (byte != '\\' && byte != '\0' && strchr(ends, byte) != NULL) {
            *ending = byte;
            break;
        }
        if (byte == '\\') {
            must(name->size > 0);
            byte = name->data[0];
            *name = (struct view){name->data + 1, name->size - 1};
        }
        out[size++] = byte;
    }
    return (struct view){out, size};
}

static void must_mean(struct view part, struct view escaped)
{
    char plain[2 * RECORD_CHANNEL_BYTES];
    must(escaped.size <= sizeof(plain));
    must(view_equal(part, (struct view){plain, line_unescape(plain, escaped)}));
}

static void check_name(const struct line_point *point, struct view field, struct view name)
{
    char out[RECORD_CHANNEL_BYTES];
    char ending;
    must(name.size < RECORD_CHANNEL_BYTES);
    must_mean(take_part(&name, ".", out, &ending), point->measurement);
    must(ending == '.');
    must_mean(take_part(&name, "{", out, &ending), field);
    must((ending == '{') == (point->tag_count > 0));
    for (size_t i = 0; i < point->tag_count; i++) {
        must_mean(take_part(&name, "=", out, &ending), point->tags[i].key);
        must(ending == '=');
        must_mean(take_part(&name, ",}", out, &ending), point->tags[i].value);
        must(ending == (i + 1 < point->tag_count ? ',' : '}'));
    }
    must(name.size == 0);
}

static void check_point(const struct line_point *point)
{
    struct line_channel channel;
    line_channel_begin(&channel, point);
    must(point->tag_count <= LINE_MAX_TAGS && point->field_count >= 1 &&
         point->field_count <= LINE_MAX_FIELDS);
    for (size_t i = 0; i < point->field_count; i++) {
        const struct line_field *field = &point->fields[i];
        struct view name;
        must(isfinite(field->value));
        must(field->key.size > 0);
        if (line_channel_name(&channel, field->key, &name))
            check_name(point, field->key, name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line_point point;
    struct view bytes = {(const char *)data, size};
    struct error err;
    for (;;) {
        size_t end = line_end(bytes);
        struct view line = {bytes.data, end == 0 ? bytes.size : end - 1};
        if (end > 0)
            check_prefixes(bytes, end);
        if (!line_is_empty(line) && line_parse(line, &point, &err))
            check_point(&point);
        if (end == 0)
            return 0;
        bytes = (struct view){bytes.data + end, bytes.size - end};
    }
}
