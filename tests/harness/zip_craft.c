#include "tests/harness/zip_craft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "common/os/file.h"
#include "common/pack/zip_index.h"

void craft_clear(struct craft *craft)
{
    buf_clear(&craft->bytes);
}

void craft_append(struct buf *buf, size_t bytes, uint64_t value)
{
    for (size_t i = 0; i < bytes; i++)
        buf_append_byte(buf, (char)(i < sizeof(value) ? value >> 8 * i : 0));
}

void craft_put(struct craft *craft, size_t at, size_t bytes, uint64_t value)
{
    for (size_t i = 0; i < bytes; i++)
        craft->bytes.data[at + i] = (char)(value >> 8 * i);
}

uint32_t craft_crc32(struct view content)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < content.size; i++) {
        crc ^= (unsigned char)content.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

static size_t packed_bytes(const struct craft_entry *entry)
{
    return entry->content.size + (entry->method == 8 ? 5 : 0);
}

static uint16_t flags(const struct craft_entry *entry)
{
    return (uint16_t)(entry->flags | (entry->descriptor == CRAFT_NONE ? 0 : 8));
}

/* Version needed excepted, both headers begin alike. */
static void append_common(struct buf *bytes, const struct craft_entry *entry, bool unknown, bool zip64)
{
    craft_append(bytes, 2, flags(entry));
    craft_append(bytes, 2, entry->method);
    craft_append(bytes, 4, 0x5a21635fU); /* 2025-01-01 12:26:62, made up */
    craft_append(bytes, 4, unknown ? 0 : craft_crc32(entry->content));
    craft_append(bytes, 4, zip64 ? UINT32_MAX : unknown ? 0 : packed_bytes(entry));
    craft_append(bytes, 4, zip64 ? UINT32_MAX : unknown ? 0 : entry->content.size);
    craft_append(bytes, 2, entry->name.size);
}

static void append_descriptor(struct buf *bytes, const struct craft_entry *entry)
{
    size_t size_bytes = entry->zip64 ? 8 : 4;
    if (entry->descriptor == CRAFT_NONE)
        return;
    if (entry->descriptor == CRAFT_SIGNED)
        craft_append(bytes, 4, 0x08074b50);
    craft_append(bytes, 4, craft_crc32(entry->content));
    craft_append(bytes, size_bytes, packed_bytes(entry));
    craft_append(bytes, size_bytes, entry->content.size);
}

static void append_entry(struct craft *craft, const struct craft_entry *entry, size_t number)
{
    struct buf *bytes = &craft->bytes;
    bool unknown = entry->descriptor != CRAFT_NONE;
    buf_append_view(bytes, entry->before);
    craft->local[number] = bytes->size;
    craft_append(bytes, 4, 0x04034b50);
    craft_append(bytes, 2, 20);
    append_common(bytes, entry, unknown, entry->zip64);
    craft_append(bytes, 2, entry->local_extra.size + (entry->zip64 ? 20 : 0));
    buf_append_view(bytes, entry->name);
    buf_append_view(bytes, entry->local_extra);
    if (entry->zip64) {
        craft_append(bytes, 4, 0x00100001);
        craft_append(bytes, 8, unknown ? 0 : entry->content.size);
        craft_append(bytes, 8, unknown ? 0 : packed_bytes(entry));
    }
    if (entry->method == 8) {
        craft_append(bytes, 1, 1); /* the last block, stored */
        craft_append(bytes, 2, entry->content.size);
        craft_append(bytes, 2, ~entry->content.size);
    }
    buf_append_view(bytes, entry->content);
    craft->descriptor[number] = bytes->size;
    append_descriptor(bytes, entry);
}

static void append_central(struct craft *craft, const struct craft_entry *entry, size_t number)
{
    struct buf *bytes = &craft->bytes;
    craft->central[number] = bytes->size;
    craft_append(bytes, 4, 0x02014b50);
    craft_append(bytes, 2, 3 << 8 | 20);
    craft_append(bytes, 2, 20);
    append_common(bytes, entry, false, false);
    craft_append(bytes, 2, entry->central_extra.size);
    craft_append(bytes, 2 + 2 + 2, 0); /* comment, disk, internal attributes */
    craft_append(bytes, 4, entry->attributes != 0 ? entry->attributes : 0100644U << 16);
    craft_append(bytes, 4, craft->local[number]);
    buf_append_view(bytes, entry->name);
    buf_append_view(bytes, entry->central_extra);
}

void craft_loose(struct craft *craft, const struct craft_entry *entries, size_t count, struct view between,
                 struct view before_end, struct view after)
{
    struct buf *bytes = &craft->bytes;
    size_t listed = 0;
    buf_reset(bytes);
    assert_true(count <= CRAFT_MAX_ENTRIES);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].only_listed)
            craft->local[i] = craft->local[i - 1];
        else
            append_entry(craft, &entries[i], i);
    }
    buf_append_view(bytes, between);
    craft->directory = bytes->size;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].not_listed)
            continue;
        append_central(craft, &entries[i], i);
        listed++;
    }
    size_t directory_bytes = bytes->size - craft->directory;
    buf_append_view(bytes, before_end);
    craft->end = bytes->size;
    craft_append(bytes, 4, 0x06054b50);
    craft_append(bytes, 4, 0);
    craft_append(bytes, 2, listed);
    craft_append(bytes, 2, listed);
    craft_append(bytes, 4, directory_bytes);
    craft_append(bytes, 4, craft->directory);
    craft_append(bytes, 2, 0);
    buf_append_view(bytes, after);
    assert_true(buf_check(bytes, "a crafted archive", NULL));
}

void craft_archive(struct craft *craft, const struct craft_entry *entries, size_t count)
{
    struct view nothing = {NULL, 0};
    craft_loose(craft, entries, count, nothing, nothing, nothing);
}

int craft_file(struct view bytes)
{
    int fd = memfd_create("craft", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(file_write_all(fd, bytes.data, bytes.size, NULL));
    return fd;
}

const char *craft_reason_fd(int fd)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    if (index != NULL)
        return NULL;
    if (err.code != ERR_INPUT || err.reason == NULL)
        fail_msg("code %d: %s", err.code, err.text);
    return err.reason;
}

const char *craft_reason(struct view bytes)
{
    SCOPE_FD int fd = craft_file(bytes);
    return craft_reason_fd(fd);
}

void craft_expect(const char *what, const char *reason, const char *expected)
{
    if (expected == NULL ? reason != NULL : reason == NULL || strcmp(reason, expected) != 0)
        fail_msg("%s: %s, not %s", what, reason == NULL ? "taken" : reason,
                 expected == NULL ? "taken" : expected);
}
