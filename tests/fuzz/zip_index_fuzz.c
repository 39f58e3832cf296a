/* A zip archive from outside: any bytes are an index or a refusal with a word; an index accounts for every
 * byte that no directory has, its names are fit to be paths and differ, and each entry's content is exactly
 * what the entry says, or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/os/file.h"
#include "common/pack/zip_index.h"
#include "common/pack/zip_name.h"

enum { CONTENT_MAX_BYTES = 4 * 1024 * 1024 /* of one archive: time, not correctness */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct content {
    uint64_t bytes, limit;
};

static bool take(void *context, struct view piece, struct error *err)
{
    struct content *content = context;
    content->bytes += piece.size;
    must(content->bytes <= content->limit);
    return content->bytes <= CONTENT_MAX_BYTES || error_set(err, ERR_LIMIT, "enough");
}

static void check_entry(int fd, const struct zip_entry *entry, uint64_t file_bytes)
{
    struct error err = {.code = ERR_NONE};
    struct content content = {.limit = entry->bytes};
    must(zip_name_check(view_of(entry->name), ZIP_NAME_MAX_BYTES, NULL));
    must(entry->data_offset <= file_bytes && entry->packed_bytes <= file_bytes - entry->data_offset);
    must(entry->mode == 0 || (S_ISREG(entry->mode) && (entry->mode & (07002)) == 0));
    if (zip_entry_read(fd, entry, take, &content, &err))
        must(content.bytes == entry->bytes);
    else
        must(err.code == ERR_LIMIT || (err.code == ERR_INPUT && err.reason != NULL));
}

static void check_index(int fd, const struct zip_index *index, uint64_t file_bytes)
{
    uint64_t end = 0;
    for (size_t i = 0; i < zip_index_count(index); i++) {
        const struct zip_entry *entry = zip_index_entry(index, i);
        must(entry->header_offset >= end && (i > 0 || entry->header_offset == 0));
        must(entry->data_offset > entry->header_offset);
        end = entry->data_offset + entry->packed_bytes;
        check_entry(fd, entry, file_bytes);
        for (size_t j = 0; j < i && i < 16; j++)
            must(zip_name_compare(entry->name, zip_index_entry(index, j)->name) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPE_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct error err = {.code = ERR_NONE};
    must(fd >= 0 && file_write_all(fd, data, size, NULL));
    SCOPE_ZIP_INDEX struct zip_index *index = zip_index_read(fd, &err);
    if (index != NULL)
        check_index(fd, index, size);
    else
        must(err.code == ERR_INPUT && err.reason != NULL);
    return 0;
}
