/* The content of one entry through libarchive. It never sees the archive: it is given a local header that is
 * made here from the validated entry, and then the entry's packed bytes, as one that streams an archive gets
 * them; behind them the stream ends. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <isa-l/crc.h>

#include "common/os/file.h"
#include "common/pack/zip_headers.h"
#include "common/pack/zip_index.h"

enum {
    PIECE_BYTES = 128 * 1024,
    NAME_BYTES = 1,
    ZIP64_BYTES = 4 + 2 * sizeof(uint64_t),
    HEADER_BYTES = ZIP_LOCAL_BYTES + NAME_BYTES + ZIP64_BYTES,
};

struct source {
    struct archive *archive;
    struct archive_entry *header_read; /* libarchive's own may be missing when memory is out */
    int fd;
    uint64_t offset, left; /* packed bytes */
    bool header_given;
    unsigned char header[HEADER_BYTES];
    struct error failed; /* of a read: libarchive forgets it */
    char piece[PIECE_BYTES];
};

static void put(unsigned char *at, size_t bytes, uint64_t value)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

/* PKWARE APPNOTE 4.3.7 and 4.5.3; both sizes always in a zip64 field: one form for all. */
static void make_header(unsigned char header[HEADER_BYTES], const struct zip_entry *entry)
{
    memset(header, 0, HEADER_BYTES);
    put(header, 4, ZIP_SIGNATURE_LOCAL);
    put(header + 4, 2, 45); /* version 4.5 is needed for zip64 */
    put(header + 8, 2, entry->method);
    put(header + 14, 4, entry->crc32);
    put(header + 18, 4, UINT32_MAX);
    put(header + 22, 4, UINT32_MAX);
    put(header + 26, 2, NAME_BYTES);
    put(header + 28, 2, ZIP64_BYTES);
    unsigned char *name = header + ZIP_LOCAL_BYTES;
    name[0] = 'x';
    put(name + 1, 2, 1); /* zip64 */
    put(name + 3, 2, 2 * sizeof(uint64_t));
    put(name + 5, 8, entry->bytes);
    put(name + 13, 8, entry->packed_bytes);
}

static la_ssize_t give(struct archive *archive, void *context, const void **data)
{
    struct source *source = context;
    if (!source->header_given) {
        source->header_given = true;
        *data = source->header;
        return HEADER_BYTES;
    }
    size_t size = source->left < PIECE_BYTES ? (size_t)source->left : PIECE_BYTES;
    if (!file_read_at(source->fd, source->offset, source->piece, size, &source->failed)) {
        archive_set_error(archive, 0, "%s", source->failed.text);
        return -1;
    }
    source->offset += size;
    source->left -= size;
    *data = source->piece;
    return (la_ssize_t)size;
}

static void source_free(struct source *source)
{
    if (source->archive != NULL)
        archive_read_free(source->archive);
    if (source->header_read != NULL)
        archive_entry_free(source->header_read);
    free(source);
}

static struct source *source_new(int fd, const struct zip_entry *entry)
{
    struct source *source = malloc(sizeof(*source));
    if (source == NULL)
        return NULL;
    source->archive = archive_read_new();
    source->header_read = archive_entry_new();
    if (source->archive == NULL || source->header_read == NULL) {
        source_free(source);
        return NULL;
    }
    source->fd = fd;
    source->offset = entry->data_offset;
    source->left = entry->packed_bytes;
    source->header_given = false;
    source->failed = (struct error){.code = ERR_NONE};
    make_header(source->header, entry);
    return source;
}

static void scope_source(struct source **source)
{
    if (*source != NULL)
        source_free(*source);
}

/* The checksum is ours: isa-l computes it many times faster. */
static bool open_entry(struct source *source)
{
    struct archive *archive = source->archive;
    return archive_read_support_format_zip_streamable(archive) == ARCHIVE_OK &&
           archive_read_set_options(archive, "zip:ignorecrc32") == ARCHIVE_OK &&
           /* archive_read_open is these three, but goes on, and crashes, when the second has no memory */
           archive_read_set_read_callback(archive, give) == ARCHIVE_OK &&
           archive_read_set_callback_data(archive, source) == ARCHIVE_OK &&
           archive_read_open1(archive) == ARCHIVE_OK &&
           archive_read_next_header2(archive, source->header_read) == ARCHIVE_OK;
}

struct content {
    const struct zip_entry *entry;
    uint64_t bytes;
    uint32_t crc;
    bool doubtful; /* libarchive warned: packed or unpacked size is not as the header says */
};

static bool refuse(const struct zip_entry *entry, enum zip_reason reason, struct error *err)
{
    return zip_refuse(err, reason, view_of(entry->name));
}

static bool take_piece(struct content *content, struct view piece, zip_take *take, void *context,
                       struct error *err)
{
    if (piece.size > content->entry->bytes - content->bytes)
        return refuse(content->entry, ZIP_WRONG_SIZE, err);
    content->bytes += piece.size;
    content->crc = crc32_gzip_refl(content->crc, (const unsigned char *)piece.data, piece.size);
    return take(context, piece, err);
}

static bool check_content(const struct content *content, struct error *err)
{
    if (content->bytes != content->entry->bytes)
        return refuse(content->entry, ZIP_WRONG_SIZE, err);
    if (content->doubtful)
        return refuse(content->entry, ZIP_BAD_DATA, err);
    return content->crc == content->entry->crc32 || refuse(content->entry, ZIP_WRONG_CRC, err);
}

/* libarchive says no: it could not read, has no memory, or the content is at fault. */
static bool failed(const struct source *source, const struct zip_entry *entry, struct error *err)
{
    if (source->failed.code == ERR_NONE && archive_errno(source->archive) != ENOMEM)
        return refuse(entry, ZIP_BAD_DATA, err);
    if (source->failed.code == ERR_NONE)
        return error_set(err, ERR_MEMORY, "no memory left to unpack %s", entry->name);
    if (err != NULL)
        *err = source->failed;
    return error_wrap(err, "%s", entry->name);
}

bool zip_entry_read(int fd, const struct zip_entry *entry, zip_take *take, void *context, struct error *err)
{
    SCOPE(scope_source) struct source *source = source_new(fd, entry);
    struct content content = {.entry = entry};
    if (source == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to unpack %s", entry->name);
    if (!open_entry(source))
        return failed(source, entry, err);
    for (;;) {
        const void *data = NULL;
        size_t size = 0;
        int64_t offset; /* content has no holes */
        int result = archive_read_data_block(source->archive, &data, &size, &offset);
        if (result == ARCHIVE_EOF)
            return check_content(&content, err);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return failed(source, entry, err);
        content.doubtful = content.doubtful || result == ARCHIVE_WARN;
        if (size > 0 && !take_piece(&content, (struct view){data, size}, take, context, err))
            return false;
    }
}
