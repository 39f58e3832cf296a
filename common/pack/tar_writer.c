#include "common/pack/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

#include "common/base/buf.h"

struct tar_writer {
    struct archive *archive;
    struct archive_entry *entry;
    struct buf output;
    int64_t left; /* of the entry */
    bool ending;  /* what libarchive still writes is thrown away */
};

static la_ssize_t take_output(struct archive *archive, void *context, const void *data, size_t size)
{
    struct tar_writer *writer = context;
    if (!writer->ending && buf_append(&writer->output, data, size))
        return (la_ssize_t)size;
    archive_set_error(archive, 0, "no room");
    return -1;
}

static bool set_up(struct tar_writer *writer)
{
    struct archive *archive = writer->archive;
    /* restricted: pax headers only for what ustar cannot say; blocks of 0: everything is handed on at once */
    return archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK &&
           archive_write_add_filter_none(archive) == ARCHIVE_OK &&
           archive_write_set_bytes_per_block(archive, 0) == ARCHIVE_OK &&
           archive_write_open2(archive, writer, NULL, take_output, NULL, NULL) == ARCHIVE_OK;
}

struct tar_writer *tar_writer_new(struct error *err)
{
    struct tar_writer *writer = calloc(1, sizeof(*writer));
    if (writer != NULL) {
        writer->output = (struct buf)BUF_LIMIT(TAR_OUTPUT_MAX_BYTES);
        writer->archive = archive_write_new();
        writer->entry = archive_entry_new();
    }
    if (writer == NULL || writer->archive == NULL || writer->entry == NULL || !set_up(writer)) {
        tar_writer_free(writer);
        error_set(err, ERR_MEMORY, "no memory left for a tar archive");
        return NULL;
    }
    return writer;
}

void tar_writer_free(struct tar_writer *writer)
{
    if (writer == NULL)
        return;
    writer->ending = true;
    if (writer->archive != NULL) {
        /* Up to libarchive 3.6 only the close frees what the open took, and archive_write_fail leaves it out.
         */
        archive_write_close(writer->archive);
        archive_write_free(writer->archive);
    }
    if (writer->entry != NULL)
        archive_entry_free(writer->entry);
    buf_clear(&writer->output);
    free(writer);
}

/* The buffer knows best what went wrong; all else that can fail in here is memory. */
static bool failed(const struct tar_writer *writer, struct error *err)
{
    return buf_check(&writer->output, "the part of a tar archive that waits to be taken", err) &&
           error_set(err, ERR_MEMORY, "a tar archive: %s", archive_error_string(writer->archive));
}

/* "a/b/c": no empty part, no `.` or `..`, printable ASCII. */
static bool is_good_name(const char *name)
{
    if (strnlen(name, TAR_NAME_MAX_BYTES) == TAR_NAME_MAX_BYTES)
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            return false;
    }
    for (const char *part = name;; part++) {
        size_t size = strcspn(part, "/");
        struct view view = {part, size};
        if (size == 0 || view_is(view, ".") || view_is(view, ".."))
            return false;
        part += size;
        if (*part == '\0')
            return true;
    }
}

bool tar_writer_begin(struct tar_writer *writer, const struct tar_entry *entry, struct error *err)
{
    if (writer->left > 0)
        return error_set(err, ERR_INTERNAL, "a tar archive: the file before %s is not complete", entry->name);
    if (!is_good_name(entry->name) || entry->size < 0)
        return error_set(err, ERR_USAGE, "a tar archive cannot have a file of this name or size");
    archive_entry_clear(writer->entry);
    archive_entry_set_pathname(writer->entry, entry->name);
    archive_entry_set_filetype(writer->entry, AE_IFREG);
    archive_entry_set_perm(writer->entry, entry->mode & 07777);
    archive_entry_set_size(writer->entry, entry->size);
    archive_entry_set_mtime(writer->entry, entry->mtime_s, 0);
    if (archive_write_header(writer->archive, writer->entry) != ARCHIVE_OK)
        return failed(writer, err);
    writer->left = entry->size;
    return true;
}

bool tar_writer_data(struct tar_writer *writer, struct view piece, struct error *err)
{
    if (piece.size > (uint64_t)writer->left)
        return error_set(err, ERR_INTERNAL, "a tar archive: more bytes of a file than were said");
    if (piece.size == 0)
        return true;
    if (archive_write_data(writer->archive, piece.data, piece.size) != (la_ssize_t)piece.size)
        return failed(writer, err);
    writer->left -= (int64_t)piece.size;
    return true;
}

int64_t tar_writer_left(const struct tar_writer *writer)
{
    return writer->left;
}

bool tar_writer_end(struct tar_writer *writer, struct error *err)
{
    if (writer->left > 0)
        return error_set(err, ERR_INTERNAL, "a tar archive: its last file is not complete");
    return archive_write_close(writer->archive) == ARCHIVE_OK || failed(writer, err);
}

struct view tar_writer_output(const struct tar_writer *writer)
{
    return buf_view(&writer->output);
}

void tar_writer_taken(struct tar_writer *writer)
{
    buf_reset(&writer->output);
}
