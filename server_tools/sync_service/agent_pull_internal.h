/* The parts of agent_pull.c share this: one turn as a row of steps, each of which asks the agent for one
 * thing or finds that it is not needed:
 *
 *   status -> beginning -> readings -> rest -> channels -> alarms -> the last job, with the journal
 *     ^           |            |                    |          |
 *     +-----------+---- 409 store_changed ----------+----------+      (once a turn)
 *
 * What goes wrong leads straight to the last job, which says it. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_PULL_INTERNAL_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_PULL_INTERNAL_H

#include "server_tools/sync_service/agent_turn.h"

enum step { STEP_STATUS, STEP_BEGINNING, STEP_READINGS, STEP_REST, STEP_CHANNELS, STEP_ALARMS, STEPS };
enum step_way { STEP_RUNS, STEP_SKIPPED, STEP_FAILED };

/* Of one request for the readings of a table, which repeats its last minute: at first, and at most. A full
 * answer doubles it, or who writes that many a minute would never get beyond it. */
enum { AGENT_TABLE_ROWS = 200000, AGENT_TABLE_ROWS_MAX = 200000 << 10 };

struct agent_pull {
    struct puller puller; /* first */
    const struct sync_scene *scene;
    struct vehicle vehicle;
    struct agent_session *session; /* NULL: before the first turn */
    struct agent_home *home;
    struct agent_gap *gap;

    /* ---- of the turn ---- */
    struct agent_turn turn;
    enum step step;
    struct agent_status status;
    int64_t from;      /* the readings behind this are asked for */
    int64_t alarms_to; /* no alarm is among the seq from..alarms_to: each was a reading; -1: not known */
    int store_changes;
    struct agent_call *call; /* what is under way, at most one of these */
    struct agent_export *probe;
    struct agent_readings *readings;
    struct agent_small *small;
    void (*done)(void *context, const struct turn_result *result);
    void *context;

    /* ---- of the process ---- */
    int turns_since_channels;   /* -1: not described yet */
    int32_t channels_described; /* the book's size then */
    int64_t newest_us;          /* the newest reading at home; INT64_MIN: unknown */
    int64_t table_rows;         /* of one request, where readings have no seq */
};

/* ---- agent_pull.c ---- */
/* The next step that is needed, from this one on; the end of the turn when none is. */
void agent_pull_go_on(struct agent_pull *pull, enum step step);
void agent_pull_end(struct agent_pull *pull);
void agent_pull_fail(struct agent_pull *pull, const struct error *err);
/* An export did not come whole: the new store is followed, or the turn fails. word: of the refusal. */
void agent_pull_export_failed(struct agent_pull *pull, const char *word, const struct error *failure);

/* Channels or alarms: readings are kept without them, and the journal says what was wrong. The next step, if
 * it is not the new store's. */
void agent_pull_small_failed(struct agent_pull *pull, const char *stream, const char *word,
                             const struct error *failure);

/* ---- agent_pull_steps.c ---- */
enum step_way agent_pull_beginning(struct agent_pull *pull, struct error *err) MUST_USE;
enum step_way agent_pull_readings(struct agent_pull *pull, struct error *err) MUST_USE;
/* Many readings do not wait in memory for what else is asked for: they go home before. */
enum step_way agent_pull_rest(struct agent_pull *pull, struct error *err) MUST_USE;
enum step_way agent_pull_channels(struct agent_pull *pull, struct error *err) MUST_USE;
enum step_way agent_pull_alarms(struct agent_pull *pull, struct error *err) MUST_USE;

#endif
