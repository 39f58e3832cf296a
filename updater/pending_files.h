/* The files of pending_update as structs: read from bytes that whoever may write there has chosen, written
 * whole. Knows nothing of the rules between them. Inside updater only. Threads: safe. */
#ifndef UPDATER_PENDING_FILES_H
#define UPDATER_PENDING_FILES_H

#include "updater/pending.h"

enum { PENDING_FOLDER_MODE = 0750, PENDING_FILE_MODE = 0644 };

/* state.json's reason while it is APPLYING and ROOT/probation is written: the switch is next. */
#define PENDING_SWITCHING "switching"

/* ROOT/pending_update, and a name in it. */
bool pending_folder(const char *root, struct path *out, struct error *err) MUST_USE;
bool pending_path(const char *root, const char *name, struct path *out, struct error *err) MUST_USE;
/* Open for reading, made when missing. Never a symbolic link. */
int pending_folder_open(const char *root, struct error *err) MUST_USE;
/* Any name that a zip of the queue may have: no slash, update_v... .zip */
bool pending_zip_name_ok(const char *name);

/* Each sets *found when the file is there and makes sense; out is untouched otherwise. folder: of
 * pending_update. Errors: ERR_IO, ERR_MEMORY ...: it is not known what the file says. */

/* meta.json, whose zip is there. Sets file, version, manifest_sha256, notes, received_us, from; notes, to
 * "", also when it is not there. */
bool pending_meta_read(int folder, struct pending *out, bool *found, struct error *err) MUST_USE;
bool pending_meta_write(const char *root, const struct pending *meta, struct error *err) MUST_USE;

/* approved.json. Sets manifest_sha256, approved_by, approved_us. */
bool pending_approval_read(int folder, struct pending *out, bool *found, struct error *err) MUST_USE;
bool pending_approval_write(const char *root, const struct pending *approval, struct error *err) MUST_USE;

/* state.json. Sets state, version, manifest_sha256, received_us, previous, reason, text, changed_us. */
bool pending_state_read(int folder, struct pending *out, bool *found, struct error *err) MUST_USE;
bool pending_state_write(const char *root, const struct pending *state, struct error *err) MUST_USE;

#endif
