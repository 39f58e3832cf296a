#include "server_tools/sync_client/home.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "server_tools/central/archive_files.h"
#include "server_tools/central/importer.h"

/* Where it was reached is known once it is known who was reached. */
static void fill_vehicle(const struct home *home, struct central_vehicle *vehicle)
{
    *vehicle = (struct central_vehicle){.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    snprintf(vehicle->client_id, sizeof(vehicle->client_id), "%s", home->settings->client_id);
    if (home->agent_id[0] == '\0')
        return;
    vehicle->agent_port = home->settings->port;
    snprintf(vehicle->host, sizeof(vehicle->host), "%s", home->settings->host);
    memcpy(vehicle->agent_id, home->agent_id, sizeof(vehicle->agent_id));
}

/* An archive of the folder, when it is this client's: another's that was put here by hand would become one
 * with it. */
static bool load_own(const struct home *home, const char *name, struct path *path, struct archive_info *info,
                     struct error *err)
{
    if (!archive_load(home->folder, name, path, info, err))
        return false;
    return strcmp(info->client_id, home->settings->client_id) == 0 ||
           error_set(err, ERR_INPUT,
                     "%s is of the client `%s`: `sync_client import %s --client-id %s` adds it to this one",
                     path->text, info->client_id, path->text, home->settings->client_id);
}

/* ---- who it is ---- */

/* With --db none: as the newest archive says. */
static bool agent_of_archives(const struct home *home, char agent_id[SHA256_HEX_BYTES], struct error *err)
{
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    agent_id[0] = '\0';
    if (!archive_list(home->folder, &names, err))
        return false;
    for (size_t i = names.count; i > 0 && agent_id[0] == '\0'; i--) {
        struct path path;
        struct archive_info info;
        if (load_own(home, names.names[i - 1], &path, &info, NULL))
            memcpy(agent_id, info.agent_id, SHA256_HEX_BYTES);
    }
    return true;
}

bool home_meet(struct home *home, const char *agent_id, bool met, struct error *err)
{
    const struct settings *settings = home->settings;
    char known[SHA256_HEX_BYTES];
    if (home->central == NULL ? !agent_of_archives(home, known, err)
                              : !central_agent(home->central, home->vehicle_id, known, err))
        return false;
    bool is_other = known[0] != '\0' && strcmp(known, agent_id) != 0;
    if (is_other && !met)
        return error_set(
            err, ERR_DENIED,
            "the client `%s` is the agent %s, but %s:%d is the agent %s, which is known here: two "
            "machines may not share one name. Give its own with --client-id; or, when it has "
            "taken the other's place, its fingerprint with --fingerprint",
            settings->client_id, known, settings->host, (int)settings->port, agent_id);
    if (is_other)
        notice(home->notices, "the client `%s` was the agent %s until now and is %s from now on",
               settings->client_id, known, agent_id);
    snprintf(home->agent_id, sizeof(home->agent_id), "%s", agent_id);
    return true;
}

/* ---- the cursor ---- */

/* A damaged archive is no reason to stop: the cursor stands before it, so its readings come again. */
static bool leave_out(const struct home *home, const struct error *problem, struct error *err)
{
    if (problem->code != ERR_INPUT && problem->code != ERR_NOT_FOUND && problem->code != ERR_LIMIT) {
        *err = *problem;
        return false;
    }
    notice(home->notices, "left out, what it holds is fetched again: %s", problem->text);
    return true;
}

/* How far the store's archives go that were fetched by cursor; not what the last name says, which a clock
 * that was ahead once has given. Readings that were fetched by time may have left something out before them
 * and never count. */
static bool cursor_of_archives(const struct home *home, const char *store_id, enum archive_stream stream,
                               int64_t *cursor, struct error *err)
{
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    if (!archive_list(home->folder, &names, err))
        return false;
    int64_t reached = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct path path;
        struct archive_info info;
        struct error problem;
        if (!load_own(home, names.names[i], &path, &info, &problem)) {
            if (!leave_out(home, &problem, err))
                return false;
            continue;
        }
        int64_t end = archive_info_end(&info, stream);
        if (info.files[stream].after >= 0 && end > reached && strcmp(info.store_id, store_id) == 0)
            reached = end;
    }
    *cursor = reached;
    return true;
}

bool home_cursor(const struct home *home, const char *store_id, enum archive_stream stream, int64_t *cursor,
                 struct error *err)
{
    if (home->central == NULL)
        return cursor_of_archives(home, store_id, stream, cursor, err);
    return central_cursor(home->central, home->vehicle_id, store_id, archive_stream_word(stream), cursor,
                          err);
}

/* ---- what is worth an archive ---- */

/* A compressed stream is the same bytes every time, so its sum says whether the descriptions are. Mostly the
 * newest archive knows them. Later archives bring them again, with the first reading that they are about. */
static bool are_described(const struct home *home, const struct archive_info *info, bool *described,
                          struct error *err)
{
    const char *sum = info->files[ARCHIVE_CHANNELS].sha256;
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    *described = false;
    if (!archive_list(home->folder, &names, err))
        return false;
    for (size_t i = names.count; i > 0 && !*described; i--) {
        struct path path;
        struct archive_info other;
        *described = archive_load(home->folder, names.names[i - 1], &path, &other, NULL) &&
                     strcmp(other.store_id, info->store_id) == 0 && other.files[ARCHIVE_CHANNELS].present &&
                     strcmp(other.files[ARCHIVE_CHANNELS].sha256, sum) == 0;
    }
    return true;
}

bool home_is_news(const struct home *home, const struct archive_info *info, bool *news, struct error *err)
{
    const struct archive_file *channels = &info->files[ARCHIVE_CHANNELS];
    bool described = true;
    *news = info->files[ARCHIVE_READINGS].count > 0 || info->files[ARCHIVE_ALARMS].count > 0;
    if (*news || !channels->present || channels->count == 0)
        return true;
    if (!are_described(home, info, &described, err))
        return false;
    *news = !described;
    return true;
}

/* ---- importing ---- */

static void show_progress(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total)
{
    (void)bytes_total;
    notices_advance(context, lines, bytes_done);
}

/* What nobody imports has to be right all the same: the machine may forget it before anybody does. */
static bool verify(const char *path, struct error *err)
{
    SCOPE_ARCHIVE_FILES struct archive_files files;
    return archive_files_open(&files, path, err) &&
           (archive_files_verify_readings(&files, err) || error_wrap(err, "%s", path));
}

bool home_take(struct home *home, const char *path, struct error *err)
{
    if (home->central == NULL)
        return verify(path, err);
    struct import_result result;
    notices_begin(home->notices, "importing", 0);
    bool done = import_archive(home->central, path, home->settings->client_id, show_progress, home->notices,
                               &result, err);
    notices_end(home->notices);
    if (!done)
        return false;
    home->imported += result.lines;
    home->added += result.added;
    home->alarms_added += result.alarms_added;
    home->channels_changed += result.channels_changed;
    return true;
}

bool home_take_fresh(struct home *home, const char *path, struct error *err)
{
    return home->central == NULL || home_take(home, path, err);
}

/* ---- what an earlier run did not come to ---- */

enum standing { SAYS_NOTHING, IS_HERE, IS_PENDING };

/* An archive counts in the folder before it is imported, so a crash in between leaves it pending. Readings
 * that were fetched by time say nothing: what they hold above the cursor comes again anyway. */
static bool find_standing(const struct home *home, const struct archive_info *info, enum standing *standing,
                          struct error *err)
{
    static const enum archive_stream streams[] = {ARCHIVE_READINGS, ARCHIVE_ALARMS};
    *standing = SAYS_NOTHING;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        int64_t cursor;
        int64_t end = archive_info_end(info, streams[i]);
        if (end == 0 || (info->files[streams[i]].after < 0 && info->since[0] != '\0'))
            continue;
        if (!home_cursor(home, info->store_id, streams[i], &cursor, err))
            return false;
        if (end > cursor)
            *standing = IS_PENDING;
        else if (*standing == SAYS_NOTHING)
            *standing = IS_HERE;
    }
    return true;
}

/* Archives are imported in their order, so below the newest imported one nothing is pending; but a name that
 * is yet to come is of a clock that was ahead and tells nothing of an order.
 * *first: index of the oldest that may be. */
static bool find_first_pending(const struct home *home, const struct archive_names *names, size_t *first,
                               struct error *err)
{
    char now[RFC3339_NAME_BYTES];
    rfc3339_format_name(now, clock_utc_us(home->clock));
    *first = names->count;
    for (size_t i = names->count; i > 0; i--) {
        struct path path;
        struct archive_info info;
        enum standing standing;
        if (!load_own(home, names->names[i - 1], &path, &info, NULL))
            continue;
        if (!find_standing(home, &info, &standing, err))
            return false;
        if (standing == IS_HERE && strncmp(names->names[i - 1], now, sizeof(now) - 1) <= 0)
            break;
        if (standing == IS_PENDING)
            *first = i - 1;
    }
    return true;
}

static bool take_pending(struct home *home, const char *name, struct error *err)
{
    struct path path;
    struct archive_info info;
    struct error problem = {.code = ERR_NONE};
    enum standing standing;
    if (load_own(home, name, &path, &info, &problem)) {
        if (!find_standing(home, &info, &standing, err))
            return false;
        if (standing != IS_PENDING)
            return true;
        if (home_take(home, path.text, &problem)) {
            notice(home->notices, "imported %s, which an earlier run had only fetched", path.text);
            return true;
        }
    }
    return leave_out(home, &problem, err);
}

static bool take_all_pending(struct home *home, struct error *err)
{
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    size_t first;
    if (!archive_list(home->folder, &names, err) || !find_first_pending(home, &names, &first, err))
        return false;
    for (size_t i = first; i < names.count; i++) {
        if (!take_pending(home, names.names[i], err))
            return false;
    }
    return true;
}

/* ---- opening and closing ---- */

bool home_open(struct home *home, const struct settings *settings, const struct archive_folder *folder,
               struct notices *notices, const struct clock *clock, struct error *err)
{
    *home = (struct home){.settings = settings, .folder = folder, .notices = notices, .clock = clock};
    if (settings->db.text[0] == '\0')
        return true;
    struct central_vehicle vehicle;
    fill_vehicle(home, &vehicle);
    home->central = central_open(settings->db.text, clock, err);
    return home->central != NULL && central_vehicle(home->central, &vehicle, &home->vehicle_id, err) &&
           take_all_pending(home, err);
}

void home_close(struct home *home)
{
    central_close(home->central);
    home->central = NULL;
}

/* ---- the journal ---- */

enum { JOURNAL_NOTE_BYTES = ERROR_TEXT_BYTES + HOME_CHANGED_BYTES + 2 };

void home_describe_changes(int64_t channels, int64_t since_us, char out[HOME_CHANGED_BYTES])
{
    char time[RFC3339_S_BYTES];
    out[0] = '\0';
    if (channels == 0)
        return;
    rfc3339_format_s(time, since_us);
    snprintf(out, HOME_CHANGED_BYTES, "%" PRId64 " channel%s something else since %s: see channel_changes",
             channels, channels == 1 ? " means" : "s mean", time);
}

static const char *status_word(const struct error *failure)
{
    if (failure == NULL)
        return "ok";
    return failure->code == ERR_UNREACHABLE || failure->code == ERR_TIMEOUT ? "timeout" : "error";
}

/* What the journal says: what went wrong, and what means something else by now. */
static void write_note(const struct home *home, const struct home_session *session, int64_t now_us,
                       char out[JOURNAL_NOTE_BYTES])
{
    const char *failure = session->failure != NULL ? session->failure->text : "";
    char changed[HOME_CHANGED_BYTES];
    home_describe_changes(home->channels_changed, now_us, changed);
    snprintf(out, JOURNAL_NOTE_BYTES, "%s%s%s", failure, failure[0] != '\0' && changed[0] != '\0' ? "; " : "",
             changed);
}

bool home_note(struct home *home, const struct home_session *session, int64_t *channels, struct error *err)
{
    *channels = -1;
    if (home->central == NULL || home->vehicle_id == 0)
        return true;
    int64_t now_us = clock_utc_us(home->clock);
    const char *status = status_word(session->failure);
    struct central_vehicle vehicle;
    fill_vehicle(home, &vehicle);
    snprintf(vehicle.software_version, sizeof(vehicle.software_version), "%s", session->software_version);
    snprintf(vehicle.sync_status, sizeof(vehicle.sync_status), "%s", status);
    if (session->software_version[0] != '\0')
        vehicle.last_seen_us = now_us;
    if (session->failure == NULL)
        vehicle.last_sync_us = now_us;
    char note[JOURNAL_NOTE_BYTES];
    write_note(home, session, now_us, note);
    const struct central_journal entry = {.vehicle_id = home->vehicle_id,
                                          .started_us = session->started_us,
                                          .finished_us = now_us,
                                          .status = status,
                                          .rows_written = home->added,
                                          .bytes = session->bytes,
                                          .note = note};
    return central_vehicle(home->central, &vehicle, &home->vehicle_id, err) &&
           central_journal(home->central, &entry, err) &&
           central_count(home->central, home->vehicle_id, NULL, channels, err);
}
