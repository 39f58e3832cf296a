/* Secrets of the command line that stand in files, so that no list of processes shows them. Knows nothing of
 * what they are for. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SECRET_OPTIONS_H
#define SERVER_TOOLS_SYNC_SERVICE_SECRET_OPTIONS_H

#include "server_tools/sync_service/commands.h"

enum { SECRET_OPTIONS = 2, SECRET_OPTION_BYTES = 1024 };

/* They live as long as the command line that points to them. */
struct secret_texts {
    char text[SECRET_OPTIONS][SECRET_OPTION_BYTES];
};

/* Reads --api-key-file and --secret-file (0600; "-": standard input), and sets what --api-key and --secret
 * would have set. Errors: ERR_USAGE (both ways at once; not one line), ERR_DENIED (others may read the file),
 * those of file_read_private. */
bool secret_options_read(struct command_line *line, struct secret_texts *texts, struct error *err) MUST_USE;

#endif
