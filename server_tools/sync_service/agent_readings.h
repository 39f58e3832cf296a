/* The readings of one export, checked and cut into batches, which go home while the rest still comes. Knows
 * nothing of turns. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_READINGS_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_READINGS_H

#include "server_tools/sync_service/agent_export.h"
#include "server_tools/sync_service/agent_home.h"

enum {
    AGENT_BATCH_ROWS = CENTRAL_BATCH_ROWS, /* of one job */
    AGENT_BATCHES_MAX = 2,                 /* being written or ready for it, besides the one that fills */
    AGENT_STEP_ROWS = 1024,                /* gathered in any case; it doubles while there is room */
};

struct agent_readings_result {
    enum export_end end;     /* EXPORT_STOPPED: `until` was reached */
    const struct error *err; /* NULL: all that was asked for came and is home, but for the rest */
    bool not_ours;           /* err is PostgreSQL's */
    bool reached;
    char word[AGENT_WORD_BYTES]; /* of a refusal */
    int64_t bytes, lines;
    int64_t first_seq;      /* as the headers say it; -1: none */
    int64_t last;           /* the last reading taken, or what was asked from */
    int64_t rows_added;     /* of the batches that are home */
    struct write_job *rest; /* with hold_rest: the last batch; the receiver's. NULL: none */
    int64_t rest_after;     /* it holds what follows on this, up to `last` */
};

struct agent_readings;

struct agent_readings_config {
    struct writer *writer;
    struct agent_session *session;
    struct agent_home *home;
    const struct export_ask *ask; /* of readings; without seq, after is the time of the last one */
    enum writer_lane lane;
    int64_t floor_s; /* as http_pool_request has it */
    int64_t until;   /* a reading behind this ends it; INT64_MAX: none */
    int64_t now_us;  /* ours: without seq, what was taken never counts as further than this */
    bool hold_rest;  /* the last batch is left to the receiver */
    /* Once, from the loop, when the last batch is home or has failed. */
    void (*done)(void *context, const struct agent_readings_result *result);
    void *context;
};

/* What breaks off keeps the lines that came: seq only grows, so nothing is left out. What is damaged keeps
 * the batches before. What is gathered is a part of the writer's room; where that has no more the batch goes
 * home as it is, and the next one begins when it is written: this waits for PostgreSQL alone, never for
 * others, and holds over the room at most AGENT_STEP_ROWS and what one piece of the answer brings. */
struct agent_readings *agent_readings_start(const struct agent_readings_config *config,
                                            struct error *err) MUST_USE;
/* No callback follows; batches on their way still come home. NULL is fine. */
void agent_readings_cancel(struct agent_readings *readings);

#endif
