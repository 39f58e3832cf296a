/* Opens what lies below a folder without following a symbolic link anywhere on the way: whoever may write
 * there cannot lead a reader elsewhere. Knows nothing of what is in the files. Threads: safe. */
#ifndef COMMON_OS_BENEATH_H
#define COMMON_OS_BENEATH_H

#include <sys/stat.h>

#include "common/base/error.h"

/* name: "run/status.json", relative to the folder; no empty part, no `.` or `..`.
 * Opens for reading. Only a regular file with one name: a link, a FIFO, a device, a second name of another
 * file is refused and not waited for. about: of the open file. Returns -1 with err: ERR_NOT_FOUND, ERR_INPUT
 * (what is there is none), ERR_DENIED, ERR_IO. */
int file_open_beneath(int folder_fd, const char *name, struct stat *about, struct error *err) MUST_USE;

/* The same of a folder, to be read with fdopendir. */
int folder_open_beneath(int folder_fd, const char *name, struct error *err) MUST_USE;

#endif
