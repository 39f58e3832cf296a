#include "server_tools/sync_client/sync.h"

#include <stdio.h>

#include "server_tools/sync_client/archive.h"
#include "server_tools/sync_client/home.h"
#include "server_tools/sync_client/pull.h"
#include "server_tools/sync_client/session.h"
#include "server_tools/sync_client/update.h"

/* What is open, in the order in which it is opened. */
struct sync {
    struct archive_folder folder;
    struct home home;
    struct session session;
    struct update_file update; /* not open: none is to be delivered */
};

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

/* Where what is fetched goes. */
static bool open_home(struct sync *sync, const struct settings *settings, struct notices *notices,
                      struct error *err)
{
    return archive_folder_open(&sync->folder, settings->data_storage, settings->client_id, notices, err) &&
           home_open(&sync->home, settings, &sync->folder, notices, clock_system(), err);
}

/* Logs in, and sees whether this is the machine that is known by this name: another one is told nothing more.
 */
static bool meet(struct sync *sync, const struct settings *settings, struct notices *notices,
                 struct error *err)
{
    struct session *session = &sync->session;
    if (!session_open(session, settings, notices, clock_system(), err))
        return false;
    if (home_meet(&sync->home, session->agent_id, session->met, err))
        return true;
    session->token[0] = '\0'; /* nothing is delivered to it either */
    return false;
}

static bool fetch(struct sync *sync, const struct settings *settings, struct notices *notices,
                  struct report *report, struct error *err)
{
    int64_t started_us = clock_utc_us(clock_system());
    if (!open_home(sync, settings, notices, err))
        return false;
    bool done =
        meet(sync, settings, notices, err) && pull(&sync->session, &sync->home, &sync->folder, report, err);
    return note(sync, done, started_us, report, err);
}

/* Without a log-in there is no machine to deliver to; one that was not tried is tried here. */
static bool deliver(struct sync *sync, const struct settings *settings, struct notices *notices,
                    struct report *report, struct error *err)
{
    if (sync->session.settings == NULL &&
        (!folder_make_all(settings->data_storage, ARCHIVE_FOLDER_MODE, err) ||
         !session_open(&sync->session, settings, notices, clock_system(), err)))
        return false;
    memcpy(report->agent_id, sync->session.agent_id, sizeof(report->agent_id));
    return update_deliver(&sync->session, &sync->update, &report->update, err);
}

/* A failed export is said at once, and delivers the update all the same. */
static bool fetch_and_deliver(struct sync *sync, const struct settings *settings, struct notices *notices,
                              struct report *report, struct error *err)
{
    report->exported = fetch(sync, settings, notices, report, err);
    bool logged_in = sync->session.token[0] != '\0';
    bool tried = sync->session.settings != NULL;
    if (settings->update == NULL || (tried && !logged_in))
        return report->exported;
    if (!report->exported)
        fprintf(stderr, "sync_client: the export failed, the update goes all the same: %s\n", err->text);
    struct error problem;
    if (!deliver(sync, settings, notices, report, &problem)) {
        *err = problem;
        return false;
    }
    return report->exported ||
           error_set(err, ERR_CHANGED, "the export failed, as said above; the update is delivered");
}

bool sync_run(const struct settings *settings, struct notices *notices, struct report *report,
              struct error *err)
{
    struct sync sync = {.folder = {.lock_fd = -1}, .update = {.fd = -1}};
    report->client_id = settings->client_id;
    report->database = settings->db_shown;
    bool done = (settings->update == NULL || update_open(settings->update, &sync.update, err)) &&
                fetch_and_deliver(&sync, settings, notices, report, err);
    update_close(&sync.update);
    session_close(&sync.session);
    home_close(&sync.home);
    archive_folder_close(&sync.folder);
    return done;
}
