#include "server_tools/sync_client/pull.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* Before each further attempt. */
static const int waits_s[PULL_ATTEMPTS - 1] = {1, 2, 4, 8};

/* Where a session's fetching stands. */
struct pull {
    struct session *session;
    struct home *home;
    const struct archive_folder *folder;
    struct report *report;
    struct agent_status agent;
    struct export_request request;
    int failures; /* in a row */
    int store_changes;
};

/* ---- the beginning ---- */

/* Also after the store has changed: what is asked for next, of which store. */
static bool find_beginning(struct pull *pull, struct error *err)
{
    const char *since = pull->session->settings->since;
    if (!session_status(pull->session, &pull->agent, err))
        return false;
    struct report *report = pull->report;
    snprintf(report->store_id, sizeof(report->store_id), "%s", pull->agent.store_id);
    snprintf(report->software_version, sizeof(report->software_version), "%s", pull->agent.version);
    pull->request = (struct export_request){
        .store_id = pull->agent.store_id, .since = since, .by_time = since[0] != '\0'};
    if (pull->agent.store_id[0] == '\0')
        return true;
    if (!home_cursor(pull->home, pull->agent.store_id, &pull->request.after, err))
        return false;
    report->last_seq = pull->request.after;
    return true;
}

/* ---- after each export ---- */

static void wait_s(int seconds)
{
    struct timespec left = {.tv_sec = seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static void note_archive(struct report *report, const struct export_result *result)
{
    buf_append(&report->archives, result->archive.text, strlen(result->archive.text) + 1);
    if (report->records == 0) {
        report->first_seq = result->first_seq;
        report->period_start_us = result->period_start_us;
    }
    report->period_end_us = result->period_end_us;
    report->records += result->lines;
    report->bytes += result->bytes;
    report->us += result->us;
}

/* What is damaged was sent so: it comes once more from the cursor on, and kept it would fill the folder run
 * by run. */
static bool not_home(const struct export_result *result, struct error *err)
{
    const char *gz = result->archive.text;
    if (err->code != ERR_INPUT)
        return error_wrap(err, "%s is kept and imported by the next run", gz);
    archive_discard(gz);
    err->code = ERR_PROTOCOL; /* no file of the user's is wrong: the machine is */
    return error_wrap(err, "what the machine sent is damaged and is not kept");
}

/* A whole one came: home with it, and on behind its last reading. *more: something is left. */
static bool take(struct pull *pull, const struct export_result *result, bool *more, struct error *err)
{
    struct export_request *request = &pull->request;
    *more = false;
    pull->failures = 0;
    if (result->lines == 0)
        return true;
    note_archive(pull->report, result);
    if (!home_take(pull->home, result->archive.text, err))
        return not_home(result, err);
    *more =
        request->limit > 0 && result->lines >= request->limit && result->last_seq < pull->agent.next_seq - 1;
    request->after = result->last_seq;
    request->by_time = false;
    request->limit *= 2; /* the link has proved better than was feared */
    return true;
}

/* It broke off: less is asked for at a time, because on a weak link a long export might never come whole. */
static bool try_again(struct pull *pull, const struct export_result *result, struct error *err)
{
    pull->failures++;
    if (pull->failures >= PULL_ATTEMPTS) {
        error_wrap(err, "given up after %d attempts", PULL_ATTEMPTS);
        return false;
    }
    int seconds = waits_s[pull->failures - 1];
    int64_t half = result->lines / 2;
    pull->request.limit = half > PULL_LIMIT_MIN ? half : PULL_LIMIT_MIN;
    notice(pull->session->notices, "%s; trying again in %d s", err->text, seconds);
    wait_s(seconds);
    return true;
}

static bool follow_store(struct pull *pull, struct error *err)
{
    pull->store_changes++;
    if (pull->store_changes > PULL_STORE_CHANGES_MAX)
        return error_wrap(err, "the machine's store has changed %d times", pull->store_changes);
    notice(pull->session->notices, "the machine has begun a new store: fetching it from its beginning");
    return find_beginning(pull, err);
}

static bool is_break(const struct error *err)
{
    return err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT;
}

static bool step(struct pull *pull, bool *more, struct error *err)
{
    struct export_result result;
    if (export_fetch(pull->session, pull->folder, &pull->request, &result, err))
        return take(pull, &result, more, err);
    *more = true;
    if (result.store_changed)
        return follow_store(pull, err);
    return is_break(err) && try_again(pull, &result, err);
}

bool pull(struct session *session, struct home *home, const struct archive_folder *folder,
          struct report *report, struct error *err)
{
    struct pull state = {.session = session, .home = home, .folder = folder, .report = report};
    if (!find_beginning(&state, err))
        return false;
    bool more = state.agent.store_id[0] != '\0';
    while (more) {
        if (!step(&state, &more, err))
            return false;
    }
    int64_t cursor = 0;
    if (state.agent.store_id[0] != '\0' && !home_cursor(home, state.agent.store_id, &cursor, err))
        return false;
    report->last_seq = cursor;
    return true;
}
