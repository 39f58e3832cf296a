#include "common/pack/zip_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "common/os/file.h"
#include "common/pack/zip_index.h"
#include "common/pack/zip_name.h"

enum { BLOCK_BYTES = 64 * 1024 /* of one write */ };

struct zip_writer {
    struct archive *archive;
    struct archive_entry *entry;
    int fd;
    int64_t left; /* of the entry */
    size_t entries;
    struct error failed; /* of a write: libarchive forgets it */
    bool ending;         /* what libarchive still writes is thrown away */
};

static la_ssize_t write_output(struct archive *archive, void *context, const void *data, size_t size)
{
    struct zip_writer *writer = context;
    if (writer->ending || file_write_all(writer->fd, data, size, &writer->failed))
        return (la_ssize_t)size;
    archive_set_error(archive, 0, "%s", writer->failed.text);
    return -1;
}

/* A level of its own, so that a new zlib's idea of the default changes no package. */
static bool set_up(struct zip_writer *writer)
{
    struct archive *archive = writer->archive;
    return archive_write_set_format_zip(archive) == ARCHIVE_OK &&
           archive_write_set_options(archive, "zip:compression=deflate,zip:compression-level=6,"
                                              "zip:hdrcharset=UTF-8") == ARCHIVE_OK &&
           archive_write_add_filter_none(archive) == ARCHIVE_OK &&
           archive_write_set_bytes_per_block(archive, BLOCK_BYTES) == ARCHIVE_OK &&
           archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK && /* no padding */
           archive_write_open2(archive, writer, NULL, write_output, NULL, NULL) == ARCHIVE_OK;
}

struct zip_writer *zip_writer_new(int fd, struct error *err)
{
    struct zip_writer *writer = calloc(1, sizeof(*writer));
    if (writer != NULL) {
        writer->fd = fd;
        writer->archive = archive_write_new();
        writer->entry = archive_entry_new();
    }
    if (writer == NULL || writer->archive == NULL || writer->entry == NULL || !set_up(writer)) {
        zip_writer_free(writer);
        error_set(err, ERR_MEMORY, "no memory left for a zip archive");
        return NULL;
    }
    return writer;
}

void zip_writer_free(struct zip_writer *writer)
{
    if (writer == NULL)
        return;
    writer->ending = true;
    if (writer->archive != NULL) {
        /* Up to libarchive 3.6 only the close frees what the open took. */
        archive_write_close(writer->archive);
        archive_write_free(writer->archive);
    }
    if (writer->entry != NULL)
        archive_entry_free(writer->entry);
    free(writer);
}

/* What cannot be a failed write is memory. */
static bool failed(const struct zip_writer *writer, struct error *err)
{
    if (writer->failed.code == ERR_NONE)
        return error_set(err, ERR_MEMORY, "a zip archive: %s", archive_error_string(writer->archive));
    if (err != NULL)
        *err = writer->failed;
    return error_wrap(err, "a zip archive");
}

/* Exactly 4 GiB - 1 is the one size that libarchive writes and no reader can tell from "see zip64". */
static bool size_ok(int64_t size)
{
    return size >= 0 && size != UINT32_MAX;
}

static bool check_entry(const struct zip_writer *writer, const char *name, int64_t size, struct error *err)
{
    if (writer->left > 0)
        return error_set(err, ERR_INTERNAL, "a zip archive: the file before %s is not complete", name);
    if (writer->entries == ZIP_MAX_ENTRIES)
        return error_set(err, ERR_LIMIT, "a zip archive: more than %d files", ZIP_MAX_ENTRIES);
    struct error unfit = {.code = ERR_NONE};
    if (!zip_name_check(view_of(name), ZIP_NAME_MAX_BYTES, &unfit))
        return error_refuse(err, ERR_USAGE, unfit.reason, "%s", unfit.text);
    return size_ok(size) || error_set(err, ERR_USAGE, "%s cannot have %lld bytes", name, (long long)size);
}

bool zip_writer_begin(struct zip_writer *writer, const char *name, mode_t mode, int64_t size,
                      struct error *err)
{
    if (!check_entry(writer, name, size, err))
        return false;
    archive_entry_clear(writer->entry);
    archive_entry_set_pathname_utf8(writer->entry, name);
    archive_entry_set_filetype(writer->entry, AE_IFREG);
    archive_entry_set_perm(writer->entry, mode & ACCESSPERMS & ~(mode_t)S_IWOTH);
    archive_entry_set_size(writer->entry, size);
    if (archive_write_header(writer->archive, writer->entry) != ARCHIVE_OK)
        return failed(writer, err);
    writer->left = size;
    writer->entries++;
    return true;
}

bool zip_writer_data(struct zip_writer *writer, struct view piece, struct error *err)
{
    if (piece.size > (uint64_t)writer->left)
        return error_set(err, ERR_INTERNAL, "a zip archive: more bytes of a file than were said");
    if (piece.size == 0)
        return true;
    if (archive_write_data(writer->archive, piece.data, piece.size) != (la_ssize_t)piece.size)
        return failed(writer, err);
    writer->left -= (int64_t)piece.size;
    return true;
}

bool zip_writer_end(struct zip_writer *writer, struct error *err)
{
    if (writer->left > 0)
        return error_set(err, ERR_INTERNAL, "a zip archive: its last file is not complete");
    return archive_write_close(writer->archive) == ARCHIVE_OK || failed(writer, err);
}
