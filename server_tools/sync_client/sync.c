#include "server_tools/sync_client/sync.h"

#include <stdio.h>

#include "server_tools/sync_client/archive.h"
#include "server_tools/sync_client/home.h"
#include "server_tools/sync_client/pull.h"
#include "server_tools/sync_client/session.h"

/* What is open, in the order in which it is opened. */
struct sync {
    struct archive_folder folder;
    struct home home;
    struct session session;
};

static bool run(struct sync *sync, const struct settings *settings, struct notices *notices,
                struct report *report, struct error *err)
{
    const struct clock *clock = clock_system();
    return session_open(&sync->session, settings, notices, clock, err) &&
           home_meet(&sync->home, sync->session.agent_id, sync->session.met, err) &&
           pull(&sync->session, &sync->home, &sync->folder, report, err);
}

/* What happened is noted whether it went well or not; a note that cannot be made spoils only what went
 * well. */
static bool note(struct sync *sync, bool done, int64_t started_us, struct report *report, struct error *err)
{
    const struct home_session session = {.software_version = report->software_version,
                                         .started_us = started_us,
                                         .bytes = report->bytes,
                                         .failure = done ? NULL : err};
    struct error problem;
    memcpy(report->agent_id, sync->session.agent_id, sizeof(report->agent_id));
    report->imported = sync->home.imported;
    report->added = sync->home.added;
    report->alarms_added = sync->home.alarms_added;
    report->channels_changed = sync->home.channels_changed;
    report->ended_us = clock_utc_us(clock_system());
    if (home_note(&sync->home, &session, &report->channels, &problem))
        return done;
    if (done)
        *err = problem;
    return false;
}

bool sync_run(const struct settings *settings, struct notices *notices, struct report *report,
              struct error *err)
{
    const struct clock *clock = clock_system();
    int64_t started_us = clock_utc_us(clock);
    struct sync sync = {.folder = {.lock_fd = -1}};
    report->client_id = settings->client_id;
    report->database = settings->db_shown;
    if (!archive_folder_open(&sync.folder, settings->data_storage, settings->client_id, notices, err))
        return false;
    bool done = home_open(&sync.home, settings, &sync.folder, notices, clock, err);
    if (done)
        done = note(&sync, run(&sync, settings, notices, report, err), started_us, report, err);
    session_close(&sync.session);
    home_close(&sync.home);
    archive_folder_close(&sync.folder);
    return done;
}
