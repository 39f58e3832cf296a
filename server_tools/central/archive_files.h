/* The files of one archive, opened, and verified against its json before anybody trusts a byte of them.
 * Knows nothing of the central store. */
#ifndef SERVER_TOOLS_CENTRAL_ARCHIVE_FILES_H
#define SERVER_TOOLS_CENTRAL_ARCHIVE_FILES_H

#include "server_tools/central/archive_info.h"

struct archive_files {
    struct archive_info info;
    int fds[ARCHIVE_STREAMS]; /* -1: it has none */
    int64_t bytes[ARCHIVE_STREAMS];
};

/* path: NAME.gz or NAME.zst, the readings; the json and the other files lie beside it. With a json every
 * file's size and SHA-256 are verified, and of alarms and channels every line. files: to be closed whatever
 * comes back. Errors, all with the file's path: ERR_INPUT, ERR_NOT_FOUND, ERR_IO, ERR_USAGE (the path is that
 * of an archive's alarms or channels). */
bool archive_files_open(struct archive_files *files, const char *path, struct error *err) MUST_USE;
void archive_files_close(struct archive_files *files);
#define SCOPE_ARCHIVE_FILES SCOPE(archive_files_close)

/* Every line of the readings, too: seqs grow, and count and last seq are what the json says. Errors:
 * ERR_INPUT, ERR_IO. */
bool archive_files_verify_readings(const struct archive_files *files, struct error *err) MUST_USE;

/* A regular file, for reading. *bytes: its size. Errors: ERR_INPUT (something else lies there), ERR_IO. */
int archive_file_open(const char *path, int64_t *bytes, struct error *err) MUST_USE;
/* Size and SHA-256 are those that were said; fd stands at the beginning again. Errors: ERR_INPUT, ERR_IO. */
bool archive_file_verify(int fd, const struct archive_file *said, struct error *err) MUST_USE;

#endif
