/* The folder of one client: archives `<YYYYMMDDTHHMMSSZ>.gz`, each with its `.json`, which is written last
 * and makes it count. Knows nothing of HTTP and of databases. Threads: one at a time; one process a folder
 * (it holds a lock). */
#ifndef SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_H
#define SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_H

#include "common/os/file.h"
#include "server_tools/sync_client/archive_facts.h"

enum { ARCHIVE_NAME_BYTES = 40, ARCHIVE_JSON_MAX_BYTES = 64 * 1024, ARCHIVE_TRIES = 10000 };

struct archive_folder {
    struct path path;
    int lock_fd; /* -1: not open */
};

/* Makes the folder when it is missing, takes its lock, removes what an earlier run left unfinished.
 * Errors: ERR_BUSY (another sync_client works on this client). */
bool archive_folder_open(struct archive_folder *folder, const char *data_storage, const char *client_id,
                         struct error *err) MUST_USE;
void archive_folder_close(struct archive_folder *folder);

/* ---- one that is being written ---- */
struct archive_part {
    const struct archive_folder *folder; /* borrowed */
    char name[ARCHIVE_NAME_BYTES];       /* 20260222T100000Z, or with -2, -3 ... when that is taken */
    int fd;                              /* -1: none */
};

bool archive_part_open(struct archive_part *part, const struct archive_folder *folder, int64_t utc_us,
                       struct error *err) MUST_USE;
/* Closes it; removes it when it was not committed. */
void archive_part_close(struct archive_part *part);
#define SCOPE_ARCHIVE_PART SCOPE(archive_part_close)

/* fsync, its name, then the json: durable and counting when this returns true. gz: its path. */
bool archive_commit(struct archive_part *part, const struct archive_facts *facts, struct path *gz,
                    struct error *err) MUST_USE;

/* Takes back what archive_commit made. gz: its path. */
void archive_discard(const char *gz);

/* ---- those that are there ---- */
struct archive_names {
    char (*names)[ARCHIVE_NAME_BYTES]; /* oldest first */
    size_t count;
};
bool archive_list(const struct archive_folder *folder, struct archive_names *out, struct error *err) MUST_USE;
void archive_names_clear(struct archive_names *names);
#define SCOPE_ARCHIVE_NAMES SCOPE(archive_names_clear)

/* Where NAME.gz lies. */
bool archive_gz_path(const struct archive_folder *folder, const char *name, struct path *out,
                     struct error *err) MUST_USE;

#endif
