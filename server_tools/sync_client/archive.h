/* The folder of one client: archives, each a file of readings `<YYYYMMDDTHHMMSSZ>.zst` (or .gz), one of
 * alarms and one of channels, and the `.json`, which is put in its place last and makes it count. Knows
 * nothing of HTTP and of databases. Threads: one at a time; one process a folder (it holds a lock). */
#ifndef SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_H
#define SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_H

#include "server_tools/central/archive_info.h"
#include "server_tools/sync_client/notices.h"

enum { ARCHIVE_NAME_BYTES = 40, ARCHIVE_TRIES = 10000, ARCHIVE_MODE = 0640, ARCHIVE_FOLDER_MODE = 0750 };

struct archive_folder {
    struct path path;
    int lock_fd; /* -1: not open */
};

/* Makes the folder when it is missing, takes its lock, deals with what an earlier run left
 * (archive_recover.h). Errors: ERR_BUSY (another sync_client works on this client). */
bool archive_folder_open(struct archive_folder *folder, const char *data_storage, const char *client_id,
                         struct notices *notices, struct error *err) MUST_USE;
void archive_folder_close(struct archive_folder *folder);

/* ---- one that is being written ---- */
struct archive_part {
    const struct archive_folder *folder; /* borrowed */
    char name[ARCHIVE_NAME_BYTES];       /* 20260222T100000Z, or with -2, -3 ... when that is taken */
    enum pack_format format;
    int fds[ARCHIVE_STREAMS]; /* for reading too; -1: it has none */
};

/* Finds a name and makes the readings' file. */
bool archive_part_open(struct archive_part *part, const struct archive_folder *folder,
                       enum pack_format format, int64_t utc_us, struct error *err) MUST_USE;
/* One file more, empty; file: its final name. */
bool archive_part_add(struct archive_part *part, enum archive_stream stream, char file[ARCHIVE_FILE_BYTES],
                      struct error *err) MUST_USE;
/* Takes it back. */
void archive_part_drop(struct archive_part *part, enum archive_stream stream);
/* Closes it; removes what was not committed. */
void archive_part_close(struct archive_part *part);
#define SCOPE_ARCHIVE_PART SCOPE(archive_part_close)

/* The files that info names are whole: from now on they survive a crash, for the next run completes the
 * archive out of them. May be done again when there are more. */
bool archive_part_seal(struct archive_part *part, const struct archive_info *info,
                       struct error *err) MUST_USE;
/* Seals it and gives every file its name, the json last: it counts when this returns true. path: of the
 * readings. */
bool archive_commit(struct archive_part *part, const struct archive_info *info, struct path *path,
                    struct error *err) MUST_USE;

/* Takes back what archive_commit made. path: of the readings. */
void archive_discard(const char *path);

/* ---- those that are there ---- */
struct archive_names {
    char (*names)[ARCHIVE_NAME_BYTES]; /* oldest first */
    size_t count;
};
bool archive_list(const struct archive_folder *folder, struct archive_names *out, struct error *err) MUST_USE;
void archive_names_clear(struct archive_names *names);
#define SCOPE_ARCHIVE_NAMES SCOPE(archive_names_clear)

/* The json of a name in the list, and where its readings lie. Errors: ERR_INPUT, ERR_NOT_FOUND, ERR_IO ... */
bool archive_load(const struct archive_folder *folder, const char *name, struct path *path,
                  struct archive_info *info, struct error *err) MUST_USE;

/* ---- names, for archive_recover.c too ---- */
/* YYYYMMDDTHHMMSSZ, also with -2 and so on. */
bool archive_name_ok(struct view name);
/* NAME.zst, NAME.alarms.zst, NAME.channels.zst, or .gz. */
void archive_file_name(const char *name, enum archive_stream stream, enum pack_format format,
                       char out[ARCHIVE_FILE_BYTES]);
/* Gives the files that info names and then the json their final names; those that have them already stay. */
bool archive_publish(const struct archive_folder *folder, const char *name, const struct archive_info *info,
                     struct error *err) MUST_USE;

#endif
