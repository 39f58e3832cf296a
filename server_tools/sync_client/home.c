#include "server_tools/sync_client/home.h"

#include <stdio.h>
#include <stdlib.h>

#include "server_tools/central/archive_info.h"
#include "server_tools/central/importer.h"

static void fill_vehicle(const struct home *home, struct central_vehicle *vehicle)
{
    *vehicle = (struct central_vehicle){
        .agent_port = home->settings->port, .last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    snprintf(vehicle->client_id, sizeof(vehicle->client_id), "%s", home->settings->client_id);
    snprintf(vehicle->host, sizeof(vehicle->host), "%s", home->settings->host);
}

/* ---- the cursor ---- */

static bool load_info(const struct home *home, const char *name, struct path *gz, struct archive_info *info,
                      struct error *err)
{
    return archive_gz_path(home->folder, name, gz, err) && archive_info_load(gz->text, info, err);
}

/* A damaged archive is no reason to stop: the cursor stands before it, so its readings come again. */
static bool leave_out(const struct home *home, const struct error *problem, struct error *err)
{
    if (problem->code != ERR_INPUT && problem->code != ERR_NOT_FOUND && problem->code != ERR_LIMIT) {
        *err = *problem;
        return false;
    }
    notice(home->notices, "left out, its readings are fetched again: %s", problem->text);
    return true;
}

/* How far the store's archives that were fetched by cursor go; not what the last name says, which a clock
 * that was ahead once has given. One that was fetched by time may have left something out before it and never
 * counts. */
static bool cursor_of_archives(const struct home *home, const char *store_id, int64_t *seq, struct error *err)
{
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    if (!archive_list(home->folder, &names, err))
        return false;
    int64_t reached = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct path gz;
        struct archive_info info;
        struct error problem;
        if (!load_info(home, names.names[i], &gz, &info, &problem)) {
            if (!leave_out(home, &problem, err))
                return false;
            continue;
        }
        if (info.present && !info.since && info.last_seq > reached && strcmp(info.store_id, store_id) == 0)
            reached = info.last_seq;
    }
    *seq = reached;
    return true;
}

bool home_cursor(const struct home *home, const char *store_id, int64_t *seq, struct error *err)
{
    if (home->central == NULL)
        return cursor_of_archives(home, store_id, seq, err);
    return central_cursor(home->central, home->vehicle_id, store_id, "readings", seq, err);
}

/* ---- importing ---- */

static void show_progress(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total)
{
    (void)bytes_total;
    notices_advance(context, lines, bytes_done);
}

bool home_take(struct home *home, const char *gz, struct error *err)
{
    if (home->central == NULL)
        return true;
    struct import_result result;
    notices_begin(home->notices, "importing", 0);
    bool done = import_archive(home->central, gz, home->settings->client_id, show_progress, home->notices,
                               &result, err);
    notices_end(home->notices);
    if (!done)
        return false;
    home->imported += result.lines;
    home->added += result.added;
    return true;
}

/* ---- what an earlier run did not come to ---- */

/* An archive counts in the folder before it is imported, so a crash in between leaves it pending. Fetched by
 * time: what it holds above the cursor comes again anyway. */
static bool is_pending(const struct home *home, const struct archive_info *info, bool *pending,
                       struct error *err)
{
    int64_t cursor;
    if (!central_cursor(home->central, home->vehicle_id, info->store_id, "readings", &cursor, err))
        return false;
    *pending = info->last_seq > cursor;
    return true;
}

/* Archives are imported in their order, so below the newest imported one nothing is pending.
 * *first: index of the oldest that may be. */
static bool find_first_pending(const struct home *home, const struct archive_names *names, size_t *first,
                               struct error *err)
{
    *first = names->count;
    for (size_t i = names->count; i > 0; i--) {
        struct path gz;
        struct archive_info info;
        bool pending = true;
        if (!load_info(home, names->names[i - 1], &gz, &info, NULL) || !info.present || info.since)
            continue;
        if (!is_pending(home, &info, &pending, err))
            return false;
        if (!pending)
            break;
        *first = i - 1;
    }
    return true;
}

static bool take_pending(struct home *home, const char *name, struct error *err)
{
    struct path gz;
    struct archive_info info;
    struct error problem = {.code = ERR_NONE};
    bool pending = false;
    if (load_info(home, name, &gz, &info, &problem) && info.present && !info.since) {
        if (!is_pending(home, &info, &pending, err))
            return false;
        if (!pending || home_take(home, gz.text, &problem)) {
            if (pending)
                notice(home->notices, "imported %s, which an earlier run had only fetched", gz.text);
            return true;
        }
    }
    return problem.code == ERR_NONE || leave_out(home, &problem, err);
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

static const char *status_word(const struct error *failure)
{
    if (failure == NULL)
        return "ok";
    return failure->code == ERR_UNREACHABLE || failure->code == ERR_TIMEOUT ? "timeout" : "error";
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
    snprintf(vehicle.agent_id, sizeof(vehicle.agent_id), "%s", session->agent_id);
    snprintf(vehicle.software_version, sizeof(vehicle.software_version), "%s", session->software_version);
    snprintf(vehicle.sync_status, sizeof(vehicle.sync_status), "%s", status);
    if (session->software_version[0] != '\0')
        vehicle.last_seen_us = now_us;
    if (session->failure == NULL)
        vehicle.last_sync_us = now_us;
    const struct central_journal entry = {.vehicle_id = home->vehicle_id,
                                          .started_us = session->started_us,
                                          .finished_us = now_us,
                                          .status = status,
                                          .rows_written = home->added,
                                          .bytes = session->bytes,
                                          .note = session->failure != NULL ? session->failure->text : ""};
    return central_vehicle(home->central, &vehicle, &home->vehicle_id, err) &&
           central_journal(home->central, &entry, err) &&
           central_count(home->central, home->vehicle_id, NULL, channels, err);
}
