/* The zip reader and writer on the command line, for tests/integration/test_zip.py:
 *   zip_tool list FILE                        a line an entry: size, packed size, method, mode, sha256, name
 *   zip_tool cat FILE                         the content of all entries
 *   zip_tool write FILE [NAME MODE CONTENT]...   entries with the content of files
 * A refusal ends with its reason as the first word on stderr, and exit 5. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "common/pack/zip_index.h"
#include "common/pack/zip_writer.h"

enum { PIECE_BYTES = 64 * 1024, ENTRY_ARGUMENTS = 3 };

static bool add_to_hash(void *context, struct view piece, struct error *err)
{
    (void)err;
    sha256_add(context, piece.data, piece.size);
    return true;
}

static bool print_piece(void *context, struct view piece, struct error *err)
{
    (void)context;
    return file_write_all(STDOUT_FILENO, piece.data, piece.size, err);
}

static bool list_entry(int fd, const struct zip_entry *entry, struct error *err)
{
    struct sha256 hash;
    char hex[SHA256_HEX_BYTES];
    sha256_start(&hash);
    if (!zip_entry_read(fd, entry, add_to_hash, &hash, err))
        return false;
    sha256_finish_hex(&hash, hex);
    printf("%" PRIu64 " %" PRIu64 " %d %o %s %s\n", entry->bytes, entry->packed_bytes, entry->method,
           (unsigned)entry->mode, hex, entry->name);
    return true;
}

static bool print_entry(int fd, const struct zip_entry *entry, struct error *err)
{
    return zip_entry_read(fd, entry, print_piece, NULL, err);
}

static bool each_entry(const char *path, bool (*entry)(int, const struct zip_entry *, struct error *),
                       struct error *err)
{
    SCOPE_FD int fd = file_open(path, O_RDONLY, err);
    SCOPE_ZIP_INDEX struct zip_index *index = fd < 0 ? NULL : zip_index_read(fd, err);
    for (size_t i = 0; index != NULL && i < zip_index_count(index); i++) {
        if (!entry(fd, zip_index_entry(index, i), err))
            return false;
    }
    return index != NULL;
}

static bool add_file(struct zip_writer *writer, char *const arguments[], struct error *err)
{
    SCOPE_FD int fd = file_open(arguments[2], O_RDONLY, err);
    static char piece[PIECE_BYTES];
    int64_t left = file_size_bytes(arguments[2]);
    if (fd < 0 || !zip_writer_begin(writer, arguments[0], (mode_t)strtoul(arguments[1], NULL, 8), left, err))
        return false;
    while (left > 0) {
        size_t size = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        if (read(fd, piece, size) != (ssize_t)size)
            return error_set_errno(err, "%s", arguments[2]);
        if (!zip_writer_data(writer, (struct view){piece, size}, err))
            return false;
        left -= (int64_t)size;
    }
    return true;
}

static bool write_archive(const char *path, char *const entries[], struct error *err)
{
    SCOPE_FD int fd = file_create(path, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
    SCOPE_ZIP_WRITER struct zip_writer *writer = fd < 0 ? NULL : zip_writer_new(fd, err);
    if (writer == NULL)
        return false;
    for (; entries[0] != NULL; entries += ENTRY_ARGUMENTS) {
        if (!add_file(writer, entries, err))
            return false;
    }
    return zip_writer_end(writer, err);
}

int main(int argc, char **argv)
{
    struct error err = {.code = ERR_USAGE, .text = "list|cat FILE, or write FILE [NAME MODE CONTENT]..."};
    bool done = false;
    if (argc == 3 && strcmp(argv[1], "list") == 0)
        done = each_entry(argv[2], list_entry, &err);
    else if (argc == 3 && strcmp(argv[1], "cat") == 0)
        done = each_entry(argv[2], print_entry, &err);
    else if (argc >= 3 && argc % ENTRY_ARGUMENTS == 0 && strcmp(argv[1], "write") == 0)
        done = write_archive(argv[2], argv + 3, &err);
    if (!done)
        fprintf(stderr, "%s: %s\n", err.reason == NULL ? "-" : err.reason, err.text);
    return done ? 0 : error_exit_code(&err);
}
