#include "agent/table_names.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"

enum { FITTED_BYTES = 110 };
_Static_assert(FITTED_BYTES + 1 + 16 < RECORD_CHANNEL_BYTES, "a fitted name and its hash");

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(struct view text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void fit(struct view raw, char out[RECORD_CHANNEL_BYTES])
{
    if (raw.size == 0) {
        snprintf(out, RECORD_CHANNEL_BYTES, "%s", raw.data == NULL ? "(null)" : "(empty)");
        return;
    }
    size_t size = raw.size < FITTED_BYTES ? raw.size : FITTED_BYTES;
    memcpy(out, raw.data, size);
    out[size] = '\0';
    for (char *at = memchr(out, '\0', size); at != NULL; at = memchr(out, '\0', size))
        *at = '?';
    text_make_printable(out);
    snprintf(out + size, RECORD_CHANNEL_BYTES - size, "~%016" PRIx64, hash_of(raw));
}

static void fill(struct table_name *name, struct view raw)
{
    char fitted[RECORD_CHANNEL_BYTES];
    struct view text = raw;
    name->fitted = !record_channel_name_ok(raw);
    if (name->fitted) {
        fit(raw, fitted);
        text = view_of(fitted);
    }
    name->size = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            name->escaped[name->size++] = '\\';
        name->escaped[name->size++] = text.data[i];
    }
}

struct view table_name_of(struct table_names *names, struct view raw)
{
    struct table_name *name = &names->other;
    bool keep = raw.size > 0 && raw.size <= sizeof(name->raw);
    if (keep)
        name = &names->kept[hash_of(raw) % TABLE_NAMES_KEPT];
    if (!keep || !view_equal(raw, (struct view){name->raw, name->raw_size})) {
        fill(name, raw);
        name->raw_size = keep ? raw.size : 0;
        if (keep)
            memcpy(name->raw, raw.data, raw.size);
    }
    names->fitted += name->fitted;
    return (struct view){name->escaped, name->size};
}
