#include "server_tools/sync_client/pull.h"

#include <stdio.h>

#include "server_tools/sync_client/pull_small.h"
#include "server_tools/sync_client/retry.h"

/* Where a session's fetching stands. */
struct pull {
    struct session *session;
    struct home *home;
    const struct archive_folder *folder;
    struct report *report;
    struct agent_status agent;
    struct export_request request; /* of the next readings */
    char since[RFC3339_US_BYTES];  /* what request.since points to when the cursor is a time */
    int failures;                  /* in a row */
    int store_changes;
};

/* ---- the beginning ---- */

/* By seq, or, where there is none, by the time of the last reading that is home. */
static void ask_from(struct pull *pull, int64_t position)
{
    pull->request.after = position;
    pull->request.since = "";
    if (pull->request.has_seq || position == 0)
        return;
    rfc3339_format_us(pull->since, position);
    pull->request.since = pull->since;
}

/* What the user asks for in place of what is new. */
static void ask_since(struct pull *pull, const char *since)
{
    pull->request.since = since;
    if (!pull->request.has_seq && !rfc3339_parse_us(view_of(since), &pull->request.after))
        pull->request.after = 0;
}

/* Also after the store has changed: what is asked for next, of which store. */
static bool find_beginning(struct pull *pull, struct error *err)
{
    const char *since = pull->session->settings->since;
    int64_t cursor;
    if (!session_status(pull->session, &pull->agent, err))
        return false;
    const struct agent_status *agent = &pull->agent;
    struct report *report = pull->report;
    snprintf(report->store_id, sizeof(report->store_id), "%s", agent->store_id);
    snprintf(report->software_version, sizeof(report->software_version), "%s", agent->version);
    pull->request = (struct export_request){.stream = ARCHIVE_READINGS,
                                            .read_lines = pull->home->central == NULL,
                                            .format = agent->zstd ? PACK_ZSTD : PACK_GZIP,
                                            .store_id = agent->store_id,
                                            .since = "",
                                            .has_seq = agent->has_seq};
    if (agent->store_id[0] == '\0')
        return true;
    if (!home_cursor(pull->home, agent->store_id, ARCHIVE_READINGS, &cursor, err))
        return false;
    ask_from(pull, cursor);
    if (since[0] != '\0')
        ask_since(pull, since);
    return true;
}

/* ---- after each export of readings ---- */

static void note_archive(struct report *report, const struct archive_info *info, const char *path, int64_t us)
{
    const struct archive_file *readings = &info->files[ARCHIVE_READINGS];
    buf_append(&report->archives, path, strlen(path) + 1);
    report->format = info->format;
    report->alarms += info->files[ARCHIVE_ALARMS].count;
    for (size_t i = 0; i < ARCHIVE_STREAMS; i++)
        report->bytes += info->files[i].bytes;
    report->us += us;
    if (readings->count == 0)
        return;
    if (report->records == 0) {
        report->first_seq = readings->first_seq;
        report->period_start_us = info->period_start_us;
    }
    report->period_end_us = info->period_end_us;
    report->records += readings->count;
    report->readings_bytes += readings->bytes;
}

/* What is damaged was sent so: it comes once more from the cursor on, and kept it would fill the folder run
 * by run. */
static bool not_home(const char *path, struct error *err)
{
    if (err->code != ERR_INPUT)
        return error_wrap(err, "%s is kept and imported by the next run", path);
    archive_discard(path);
    err->code = ERR_PROTOCOL; /* no file of the user's is wrong: the machine is */
    return error_wrap(err, "what the machine sent is damaged and is not kept");
}

/* A table's last minute comes every time; when nothing in it was new, its archive is of no use. */
static bool is_repeated(const struct pull *pull, const struct archive_info *info, int64_t added_before)
{
    return !pull->request.has_seq && pull->home->central != NULL && pull->home->added == added_before &&
           info->files[ARCHIVE_READINGS].count > 0 && info->files[ARCHIVE_ALARMS].count == 0;
}

static bool keep(struct pull *pull, struct archive_part *part, const struct archive_info *info, int64_t us,
                 struct error *err)
{
    struct path path;
    int64_t added_before = pull->home->added;
    if (!archive_commit(part, info, &path, err))
        return false;
    if (!home_take_fresh(pull->home, path.text, err))
        return not_home(path.text, err);
    if (is_repeated(pull, info, added_before))
        archive_discard(path.text);
    else
        note_archive(pull->report, info, path.text, us);
    return true;
}

static void begin_info(const struct pull *pull, struct archive_info *info)
{
    const struct export_request *request = &pull->request;
    *info = (struct archive_info){.present = true,
                                  .format = request->format,
                                  .period_start_us = INT64_MIN,
                                  .period_end_us = INT64_MIN,
                                  .created_us = clock_utc_us(pull->session->clock)};
    snprintf(info->client_id, sizeof(info->client_id), "%s", pull->session->settings->client_id);
    snprintf(info->agent_id, sizeof(info->agent_id), "%s", pull->session->agent_id);
    snprintf(info->store_id, sizeof(info->store_id), "%s", request->store_id);
    snprintf(info->since, sizeof(info->since), "%s", request->since);
}

/* Where the next request goes on from. *more: something is left. A table's repeated minute may be all that a
 * short request brings: then nothing moves on, and breaks are not forgotten. */
static void go_on(struct pull *pull, const struct archive_info *info, bool *more)
{
    struct export_request *request = &pull->request;
    const struct archive_file *readings = &info->files[ARCHIVE_READINGS];
    int64_t end = archive_info_end(info, ARCHIVE_READINGS);
    *more = request->limit > 0 && readings->count >= request->limit &&
            (!request->has_seq || readings->last_seq < pull->agent.next_seq - 1);
    request->limit *= 2; /* the link has proved better than was feared */
    if (!request->has_seq && end <= request->after)
        return;
    pull->failures = 0;
    if (readings->count > 0)
        ask_from(pull, end);
}

/* By cursor: it holds everything behind it. What was asked for since a time of the user's holds no such
 * promise, and what follows on it in this session holds none either. */
static void note_range(const struct pull *pull, struct archive_info *info)
{
    const char *since = pull->session->settings->since;
    if (since[0] == '\0')
        info->files[ARCHIVE_READINGS].after = pull->request.after;
    else
        snprintf(info->since, sizeof(info->since), "%s", since);
}

static bool follow_store(struct pull *pull, struct error *err)
{
    pull->store_changes++;
    if (pull->store_changes > PULL_STORE_CHANGES_MAX)
        return error_wrap(err, "the machine's store has changed %d times", pull->store_changes);
    notice(pull->session->notices, "the machine has begun a new store: fetching it from its beginning");
    return find_beginning(pull, err);
}

/* One export holds so many alarms at most. */
static bool more_alarms(const struct pull *pull, const struct archive_info *info)
{
    const struct archive_file *alarms = &info->files[ARCHIVE_ALARMS];
    return alarms->count >= PULL_ALARMS_MAX && pull->agent.has_seq &&
           alarms->last_seq < pull->agent.next_seq - 1;
}

/* The readings are whole: with the last of them come alarms and channels. What goes wrong with those is no
 * reason to lose the readings. */
static bool take(struct pull *pull, struct archive_part *part, struct archive_info *info, int64_t us,
                 bool *more, struct error *err)
{
    struct small small = {
        .session = pull->session, .home = pull->home, .agent = &pull->agent, .format = pull->request.format};
    struct error problem;
    bool whole = true;
    note_range(pull, info);
    go_on(pull, info, more);
    if (info->files[ARCHIVE_READINGS].count > 0 && !archive_part_seal(part, info, err))
        return false;
    if (!*more)
        whole = pull_small(&small, part, info, &problem);
    bool news;
    if (!home_is_news(pull->home, info, &news, err))
        return false;
    if (news && !keep(pull, part, info, us, err))
        return false;
    if (whole) {
        *more = *more || more_alarms(pull, info);
        return true;
    }
    *err = problem;
    *more = small.store_changed;
    return small.store_changed && follow_store(pull, err);
}

/* It broke off: less is asked for at a time, because on a weak link a long export might never come whole. */
static bool try_again(struct pull *pull, int64_t lines, struct error *err)
{
    int64_t half = lines / 2;
    pull->request.limit = half > PULL_LIMIT_MIN ? half : PULL_LIMIT_MIN;
    return retry_wait(pull->session->notices, &pull->failures, err);
}

/* The agent's readings turned out to come from a table: by time from now on. */
static bool ask_by_time(struct pull *pull)
{
    pull->request.has_seq = pull->agent.has_seq = false;
    ask_from(pull, pull->request.after);
    return true;
}

static bool step(struct pull *pull, bool *more, struct error *err)
{
    struct export_result result;
    struct archive_info info;
    SCOPE_ARCHIVE_PART struct archive_part part;
    begin_info(pull, &info);
    if (!archive_part_open(&part, pull->folder, info.format, info.created_us, err))
        return false;
    *more = true;
    if (export_fetch(pull->session, part.fds[ARCHIVE_READINGS], &pull->request, &result, err)) {
        info.files[ARCHIVE_READINGS] = result.file;
        info.period_start_us = result.period_start_us;
        info.period_end_us = result.period_end_us;
        return take(pull, &part, &info, result.us, more, err);
    }
    if (result.store_changed)
        return follow_store(pull, err);
    if (result.no_cursor && pull->request.has_seq)
        return ask_by_time(pull);
    return retry_is_break(err) && try_again(pull, result.file.count, err);
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
    if (state.agent.store_id[0] == '\0')
        return true;
    report->has_seq = state.agent.has_seq;
    return home_cursor(home, state.agent.store_id, ARCHIVE_READINGS, &report->last_seq, err) &&
           home_cursor(home, state.agent.store_id, ARCHIVE_ALARMS, &report->alarms_last_seq, err);
}
