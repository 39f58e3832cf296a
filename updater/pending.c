#include "updater/pending.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/net/json_writer.h"
#include "updater/pending_files.h"

enum { NAMES_MAX = 1000, PROGRESS_LINE_BYTES = 2048 };

/* ---- reading ---- */

static bool same_package(const struct pending *a, const struct pending *b)
{
    return strcmp(a->manifest_sha256, b->manifest_sha256) == 0 && a->received_us == b->received_us;
}

/* state.json speaks of the package that is queued, or of one that is over. */
static void take_state(struct pending *pending, const struct pending *said)
{
    pending->state = said->state;
    pending->changed_us = said->changed_us;
    memcpy(pending->previous, said->previous, sizeof(pending->previous));
    memcpy(pending->reason, said->reason, sizeof(pending->reason));
    memcpy(pending->text, said->text, sizeof(pending->text));
}

static void forget_queued(struct pending *pending)
{
    pending->file[0] = '\0';
    pending->notes[0] = '\0';
}

/* What the files say, each that is there and makes sense. */
struct found {
    struct pending said, approval;
    bool has_state, has_approval, has_meta;
};

/* out: what meta.json says. */
static void put_together(const struct found *found, struct pending *out)
{
    const struct pending *said = &found->said;
    const struct pending *approval = &found->approval;
    if (!found->has_meta) {
        char *notes = out->notes;
        if (found->has_state)
            *out = *said;
        out->notes = notes;
        return;
    }
    out->state = UPDATE_PENDING;
    out->changed_us = INT64_MIN;
    if (found->has_approval && strcmp(approval->manifest_sha256, out->manifest_sha256) == 0) {
        out->state = UPDATE_APPROVED;
        out->approved_us = approval->approved_us;
        memcpy(out->approved_by, approval->approved_by, sizeof(out->approved_by));
    }
    if (found->has_state && same_package(said, out))
        take_state(out, said);
    if (update_state_is_end(out->state)) /* a power cut came before the rest was removed */
        forget_queued(out);
}

bool pending_read(const char *root, struct pending *out, struct error *err)
{
    struct pending read = {.state = UPDATE_NONE, .changed_us = INT64_MIN};
    SCOPE_FD int folder = pending_folder_open(root, err);
    if (folder < 0)
        return false;
    struct found found = {.has_state = false};
    if (!pending_state_read(folder, &found.said, &found.has_state, err) ||
        !pending_approval_read(folder, &found.approval, &found.has_approval, err) ||
        !pending_meta_read(folder, &read, &found.has_meta, err))
        return error_wrap(err, "pending_update");
    put_together(&found, &read);
    *out = read;
    return true;
}

void pending_clear(struct pending *pending)
{
    free(pending->notes);
    pending->notes = NULL;
}

int pending_lock(const char *root, struct error *err)
{
    struct path path;
    if (!path_join(&path, root, "run/update.lock", err))
        return -1;
    struct error cause = {.code = ERR_NONE};
    int fd = file_lock(path.text, &cause);
    if (fd < 0 && err != NULL) {
        *err = cause;
        if (cause.code == ERR_BUSY)
            error_refuse(err, ERR_BUSY, "busy", "an update is just being queued, applied or undone");
    }
    return fd;
}

/* ---- the rules ---- */

static bool is_busy(const struct pending *pending)
{
    return pending->state == UPDATE_APPLYING || pending->state == UPDATE_PROBATION;
}

static bool refuse_busy(const struct pending *pending, struct error *err)
{
    return error_refuse(err, ERR_BUSY, "busy", "version %s is %s", pending->version,
                        pending->state == UPDATE_APPLYING ? "being applied" : "on probation");
}

static bool is_waiting(const struct pending *pending)
{
    return pending->state == UPDATE_PENDING || pending->state == UPDATE_APPROVED;
}

static bool remove_in_queue(const char *root, const char *name, struct error *err)
{
    struct path path;
    return pending_path(root, name, &path, err) && file_remove(path.text, err);
}

static bool sync_queue(const char *root, struct error *err)
{
    struct path folder;
    return pending_folder(root, &folder, err) && folder_sync(folder.text, err);
}

static bool note_in_history(const char *root, const char *event, const struct pending *pending,
                            const char *by, const struct clock *clock, struct error *err)
{
    struct history_entry entry = {.time_us = clock_utc_us(clock)};
    snprintf(entry.event, sizeof(entry.event), "%s", event);
    snprintf(entry.by, sizeof(entry.by), "%s", by);
    memcpy(entry.version, pending->version, sizeof(entry.version));
    memcpy(entry.previous, pending->previous, sizeof(entry.previous));
    memcpy(entry.reason, pending->reason, sizeof(entry.reason));
    memcpy(entry.text, pending->text, sizeof(entry.text));
    return update_history_add(root, &entry, err);
}

/* What was queued goes, the commit point first. */
static bool remove_queued(const char *root, struct error *err)
{
    return remove_in_queue(root, "meta.json", err) && sync_queue(root, err) && pending_sweep(root, err);
}

bool pending_set_state(const char *root, struct pending *pending, enum update_state state,
                       const struct pending_outcome *outcome, const struct clock *clock, struct error *err)
{
    struct pending next = *pending;
    next.state = state;
    next.changed_us = clock_utc_us(clock);
    if (outcome->previous != NULL)
        snprintf(next.previous, sizeof(next.previous), "%s", outcome->previous);
    snprintf(next.reason, sizeof(next.reason), "%s", outcome->reason == NULL ? "" : outcome->reason);
    snprintf(next.text, sizeof(next.text), "%s", outcome->text == NULL ? "" : outcome->text);
    const char *event = state == UPDATE_PROBATION ? "applied" : update_state_name(state);
    if (state != UPDATE_APPLYING && !note_in_history(root, event, &next, next.approved_by, clock, err))
        return false;
    if (!pending_state_write(root, &next, err))
        return false;
    if (update_state_is_end(state) && !remove_queued(root, err))
        return false;
    *pending = next;
    if (update_state_is_end(state)) {
        pending->file[0] = '\0';
        pending->notes[0] = '\0';
    }
    return true;
}

/* Since it was queued. */
static bool count_interruptions(const char *root, const struct pending *pending, size_t *out,
                                struct error *err)
{
    enum { LINES = 32 };
    size_t count;
    SCOPE_FREE struct history_entry *entries = calloc(LINES, sizeof(*entries));
    if (entries == NULL)
        return error_set(err, ERR_MEMORY, "no memory left");
    if (!update_history_read(root, entries, LINES, &count, err))
        return false;
    *out = 0;
    for (size_t i = 0; i < count && strcmp(entries[i].event, "queued") != 0; i++)
        *out +=
            strcmp(entries[i].event, "interrupted") == 0 && strcmp(entries[i].version, pending->version) == 0;
    return true;
}

bool pending_interrupted(const char *root, struct pending *pending, const struct clock *clock,
                         struct error *err)
{
    size_t count = 0;
    struct pending_outcome outcome = {
        .reason = "interrupted",
        .text = "applying it was cut off each time, by a power cut or a signal: nothing was changed"};
    if (!note_in_history(root, "interrupted", pending, pending->approved_by, clock, err) ||
        !count_interruptions(root, pending, &count, err))
        return false;
    if (count >= PENDING_INTERRUPTIONS_MAX || pending->file[0] == '\0')
        return pending_set_state(root, pending, UPDATE_FAILED, &outcome, clock, err);
    if (!remove_in_queue(root, "approved.json", err) || !sync_queue(root, err) ||
        !remove_in_queue(root, "state.json", err) || !sync_queue(root, err))
        return false;
    pending->state = UPDATE_PENDING;
    return true;
}

/* ---- queueing ---- */

/* A name that no file has: update_v1.2.0.zip, then update_v1.2.0-2.zip, as the one that waits may have the
 * same version. */
static bool pick_name(const char *root, const char *version, char out[PENDING_FILE_BYTES], struct error *err)
{
    for (int number = 1; number <= NAMES_MAX; number++) {
        struct path path;
        char suffix[16] = "";
        if (number > 1)
            snprintf(suffix, sizeof(suffix), "-%d", number);
        snprintf(out, PENDING_FILE_BYTES, "update_v%s%s.zip", version, suffix);
        if (!pending_path(root, out, &path, err))
            return false;
        if (access(path.text, F_OK) != 0 && errno == ENOENT)
            return true;
    }
    return error_set(err, ERR_LIMIT, "pending_update is full of zips of version %s", version);
}

static bool place_zip(const char *root, const char *temporary, const char *name, struct error *err)
{
    struct path from;
    struct path to;
    if (!pending_path(root, temporary, &from, err) || !pending_path(root, name, &to, err))
        return false;
    SCOPE_FD int fd = file_open(from.text, O_RDONLY | O_NOFOLLOW, err);
    return fd >= 0 && file_publish_new(fd, from.text, to.text, err);
}

/* An approval of the same manifest, of an earlier time that it was queued, must not count for this one: it
 * goes, durably, before meta.json comes. */
static bool queue_new(const char *root, const struct pending_offer *offer, const struct clock *clock,
                      struct error *err)
{
    const struct manifest *manifest = offer->manifest;
    SCOPE_PENDING struct pending meta = {.received_us = clock_utc_us(clock)};
    meta.notes = strndup(manifest->notes, PENDING_NOTES_MAX_BYTES - 1);
    if (meta.notes == NULL)
        return error_set(err, ERR_MEMORY, "no memory left");
    snprintf(meta.version, sizeof(meta.version), "%s", manifest->version);
    snprintf(meta.manifest_sha256, sizeof(meta.manifest_sha256), "%s", offer->manifest_sha256);
    snprintf(meta.from, sizeof(meta.from), "%s", offer->from);
    return update_floors_raise(root, manifest->version, manifest->created_us, err) &&
           pick_name(root, manifest->version, meta.file, err) &&
           remove_in_queue(root, "approved.json", err) && sync_queue(root, err) &&
           place_zip(root, offer->temporary, meta.file, err) && pending_meta_write(root, &meta, err) &&
           note_in_history(root, "queued", &meta, meta.from, clock, err) && pending_sweep(root, err);
}

bool pending_queue(const char *root, const struct pending_offer *offer, const struct clock *clock,
                   struct error *err)
{
    SCOPE_FD int lock = pending_lock(root, err);
    if (lock < 0)
        return false;
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!pending_read(root, &now, err))
        return false;
    if (is_busy(&now))
        return refuse_busy(&now, err);
    if (is_waiting(&now) && strcmp(now.manifest_sha256, offer->manifest_sha256) == 0)
        return remove_in_queue(root, offer->temporary, err);
    return queue_new(root, offer, clock, err);
}

/* ---- deciding ---- */

/* The queue as it is, when it can be decided on. */
static bool read_waiting(const char *root, struct pending *out, struct error *err)
{
    if (!pending_read(root, out, err))
        return false;
    if (is_busy(out))
        return refuse_busy(out, err);
    return is_waiting(out) || error_refuse(err, ERR_NOT_FOUND, "nothing_pending", "no update waits");
}

/* seen: what whoever decides has seen; NULL: whatever waits. */
static bool is_seen(const struct pending *pending, const char *seen, struct error *err)
{
    return seen == NULL || strcmp(seen, pending->manifest_sha256) == 0 ||
           error_refuse(err, ERR_CHANGED, "changed", "another package waits now: version %s",
                        pending->version);
}

bool pending_approve(const char *root, const char *manifest_sha256, const char *by, const struct clock *clock,
                     struct error *err)
{
    SCOPE_FD int lock = pending_lock(root, err);
    if (lock < 0)
        return false;
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!read_waiting(root, &now, err) || !is_seen(&now, manifest_sha256, err))
        return false;
    if (now.state == UPDATE_APPROVED)
        return true;
    now.approved_us = clock_utc_us(clock);
    snprintf(now.approved_by, sizeof(now.approved_by), "%s", by);
    return note_in_history(root, "approved", &now, by, clock, err) && pending_approval_write(root, &now, err);
}

bool pending_reject(const char *root, const char *text, const struct clock *clock, struct error *err)
{
    SCOPE_FD int lock = pending_lock(root, err);
    if (lock < 0)
        return false;
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!read_waiting(root, &now, err))
        return false;
    struct pending_outcome outcome = {.reason = "rejected", .text = text};
    snprintf(now.approved_by, sizeof(now.approved_by), "operator");
    return pending_set_state(root, &now, UPDATE_REJECTED, &outcome, clock, err);
}

bool pending_withdraw(const char *root, const char *manifest_sha256, const char *from,
                      const struct clock *clock, struct error *err)
{
    SCOPE_FD int lock = pending_lock(root, err);
    if (lock < 0)
        return false;
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!read_waiting(root, &now, err) || !is_seen(&now, manifest_sha256, err))
        return false;
    if (now.state == UPDATE_APPROVED)
        return error_refuse(err, ERR_BUSY, "busy", "version %s is approved: it begins any moment",
                            now.version);
    struct pending_outcome outcome = {.reason = "withdrawn", .text = "withdrawn by the server"};
    snprintf(now.approved_by, sizeof(now.approved_by), "%s", from);
    return pending_set_state(root, &now, UPDATE_REJECTED, &outcome, clock, err);
}

/* ---- progress, sweeping ---- */

bool pending_progress(const char *root, const char *step, int pct, const char *msg, const struct clock *clock,
                      struct error *err)
{
    SCOPE_BUF struct buf line = BUF_LIMIT(PROGRESS_LINE_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &line);
    json_object(&writer, NULL);
    json_string(&writer, "step", step);
    json_i64(&writer, "pct", pct);
    json_string(&writer, "msg", msg);
    json_time_us(&writer, "time", clock_utc_us(clock));
    json_end_object(&writer);
    buf_append_byte(&line, '\n');
    if (!buf_check(&line, "progress.jsonl", err))
        return false;
    if (strcmp(step, "verify") == 0 && !remove_in_queue(root, "progress.jsonl", err))
        return false;
    struct path path;
    if (!pending_path(root, "progress.jsonl", &path, err))
        return false;
    SCOPE_FD int fd = file_create(path.text, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
                                  PENDING_FILE_MODE, err);
    struct stat about;
    if (fd < 0)
        return false;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_nlink != 1)
        return error_set(err, ERR_INPUT, "%s is no file of ours", path.text);
    return file_write_all(fd, line.data, line.size, err);
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"floors.json", "history.jsonl", "state.json", "progress.jsonl",
                                       PENDING_UPLOAD_NAME};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

bool pending_sweep(const char *root, struct error *err)
{
    SCOPE_PENDING struct pending now = {.notes = NULL};
    if (!pending_read(root, &now, err))
        return false;
    int fd = pending_folder_open(root, err);
    if (fd < 0)
        return false;
    SCOPE_DIR DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return error_set_errno(err, "pending_update");
    }
    bool queued = now.file[0] != '\0';
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        bool kept = is_ours(name) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                    (queued && (strcmp(name, now.file) == 0 || strcmp(name, "meta.json") == 0 ||
                                strcmp(name, "approved.json") == 0));
        if (!kept && unlinkat(fd, name, 0) != 0 && errno != ENOENT && errno != EISDIR)
            return error_set_errno(err, "remove pending_update/%s", name);
    }
    return fsync(fd) == 0 || error_set_errno(err, "fsync of pending_update");
}
