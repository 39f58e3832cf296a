/* What one turn of the signed transport gathers: its last job, what it moves, and how it went. Knows nothing
 * of what is asked of the agent. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_TURN_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_TURN_H

#include "common/wire/agent_words.h"
#include "server_tools/sync_service/agent_gap.h"
#include "server_tools/sync_service/agent_small.h"

struct agent_bell; /* tells the result where no job could */

struct agent_turn {
    const struct sync_scene *scene;
    struct agent_home *home;
    int64_t started_us;
    struct home_put put; /* put.job: the last one, which has the journal; NULL until something is in it */
    struct job_status status;
    struct turn_result result;
    struct error error;         /* the first that went wrong; ERR_NONE: nothing has */
    char note[TURN_NOTE_BYTES]; /* of what went well and is worth a word */
    bool journal_alone;         /* the rows would not go in: only that is said */
    struct agent_bell *bell;
    void (*done)(void *context, const struct turn_result *result); /* NULL: nobody waits any more */
    void *context;
};

/* home: borrowed. turn: to be cleared. Errors: ERR_MEMORY. */
bool agent_turn_init(struct agent_turn *turn, const struct sync_scene *scene, struct agent_home *home,
                     struct error *err) MUST_USE;
/* Nobody is told any more; a job that was put still comes home. */
void agent_turn_clear(struct agent_turn *turn);

/* Forgets the turn before. */
void agent_turn_begin(struct agent_turn *turn, void (*done)(void *context, const struct turn_result *result),
                      void *context);

/* The last job, made when it is first needed. NULL: no memory, and the turn has failed. */
struct write_job *agent_turn_job(struct agent_turn *turn);
/* The job becomes the last one; there is none yet. */
void agent_turn_take_job(struct agent_turn *turn, struct write_job *job);

/* What goes wrong first is what is said. */
void agent_turn_fail(struct agent_turn *turn, const struct error *err);
void agent_turn_fail_db(struct agent_turn *turn, const struct error *err); /* PostgreSQL's */
bool agent_turn_has_failed(const struct agent_turn *turn);

/* Puts what there is so far, as it counts now: the machine's store is another one from here on. */
void agent_turn_flush(struct agent_turn *turn);
/* Puts the last job; then `done` is called, from the loop. */
void agent_turn_end(struct agent_turn *turn);
#endif
