/* How far one vehicle of the signed transport is home, and its jobs on their way to the writer: one at a
 * time, each with the progress that follows from what is committed, so that a job that failed never leaves a
 * hole. Knows nothing of the network. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_HOME_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_HOME_H

#include "server_tools/sync_service/turn.h"

/* Readings 1..cursor and live_after+1..live_seq of store_id are home (-1: no live range), and the alarms up
 * to alarms. Of a store without seq (a table) cursor is the time of the last reading in microseconds. */
struct home_position {
    char store_id[65]; /* "": none is known */
    int64_t cursor, alarms, live_after, live_seq;
};

/* The readings after..to are home as well: what touches is joined; what touches nothing begins a live range
 * anew. */
void home_position_add(struct home_position *position, int64_t after, int64_t to);

struct agent_home;

struct agent_home *agent_home_new(const struct sync_scene *scene, struct error *err) MUST_USE;
/* Jobs under way end by themselves; no callback follows. NULL is fine. */
void agent_home_free(struct agent_home *home);

/* What is committed. */
const struct home_position *agent_home_position(const struct agent_home *home);
/* The channels by name; as long-lived as the jobs that use it. */
struct channel_book *agent_home_book(const struct agent_home *home);

/* As the tables have it now; not while jobs are under way, which know better. */
void agent_home_adopt(struct agent_home *home, const struct vehicle *vehicle);
/* The machine has begun another store: nothing of it is home. Jobs of the old one still bring their rows, and
 * move nothing. */
void agent_home_begin_store(struct agent_home *home, const char *store_id);

struct home_result {
    const struct error *err; /* NULL: committed */
    int64_t rows_added, rows_quarantined, alarms_added;
};

/* What a job makes true. */
struct home_put {
    struct write_job *job; /* taken over; vehicle, book, lane and rows set by the caller */
    int64_t after, to;     /* the readings after..to are in it; to -1: none */
    int64_t alarms_to;     /* -1: none */
    bool synced;
    void (*done)(void *context, const struct home_result *result); /* from the loop, never from within */
    void *context;
};
/* Errors: ERR_MEMORY: the job is freed, done is not called. */
bool agent_home_put(struct agent_home *home, const struct home_put *put, struct error *err) MUST_USE;
/* No `done` with this context follows; the jobs themselves go on. */
void agent_home_forget(struct agent_home *home, const void *context);

/* A new job of this vehicle. Errors: ERR_MEMORY. */
struct write_job *agent_home_job(const struct agent_home *home, enum writer_lane lane,
                                 struct error *err) MUST_USE;

#endif
