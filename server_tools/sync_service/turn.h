/* One turn of one vehicle, behind one table of functions for each transport: what is new comes home, and a
 * journal entry says how it went. The cycle (cycle.h) says when; a transport says how. Threads: the loop's.
 */
#ifndef SERVER_TOOLS_SYNC_SERVICE_TURN_H
#define SERVER_TOOLS_SYNC_SERVICE_TURN_H

#include "common/net/http_pool.h"
#include "server_tools/sync_service/metrics.h"
#include "server_tools/sync_service/settings.h"
#include "server_tools/sync_service/writer.h"

struct gap_lane;
struct signer;

/* What everybody in the service shares; borrowed by all, owned by service.c. */
struct sync_scene {
    const struct sync_settings *settings;
    const struct clock *clock;
    const struct log *log;
    struct loop *loop;
    struct mailbox *mailbox;
    struct http_pool *pool;
    struct writer *writer;
    struct gap_lane *gaps;
    struct signer *signer; /* RSA signatures on a thread of their own (signer.h); NULL: no key was given */
    struct metrics *metrics;
};

enum turn_status { TURN_OK, TURN_TIMEOUT, TURN_ERROR };
const char *turn_status_word(enum turn_status status); /* "ok", "timeout", "error": as in the journal */

enum { TURN_NOTE_BYTES = JOB_NOTE_BYTES };
enum turn_db { TURN_DB_UNKNOWN, TURN_DB_OK, TURN_DB_FAILED }; /* what its /status says of its store */

/* Of a machine that answers, and its store does not; %s: how that is known. Nothing moves by such a turn. */
#define TURN_NO_STORE                                                                                        \
    "its store cannot be read (%s): nothing moves until it can be; is its data disk mounted? its collector " \
    "and its agent log why"

struct turn_result {
    enum turn_status status;
    bool reached;  /* it answered something: back-off only when it was too slow again and again */
    bool not_ours; /* PostgreSQL or we were the trouble: nothing is said of the vehicle, no back-off */
    int64_t rows_added, bytes;
    char note[TURN_NOTE_BYTES];
    /* For the log and the metrics; what is left at 0 is not said. */
    char software_version[64];
    enum turn_db db;
    int64_t window_us; /* how long the live window was */
    int64_t behind_us; /* from its now back to the end of what is home; 0: unknown */
};

/* A vehicle's own, kept between turns (a token, a book of channels). */
struct puller;

struct puller_kind {
    struct puller *(*new)(const struct sync_scene *scene, const struct vehicle *vehicle, struct error *err);
    /* Cancels what is under way; no callback follows. NULL is fine. */
    void (*free)(struct puller *puller);
    /* One live turn: status, channels, the live window, alarms, journal. vehicle: as the tables have it now;
     * copied. done: from the loop, once, when the last of it is committed or has failed; never from within
     * start. A gap is filled in the background by the puller itself, through scene->gaps; it goes on between
     * turns. */
    void (*start)(struct puller *puller, const struct vehicle *vehicle,
                  void (*done)(void *context, const struct turn_result *result), void *context);
    bool (*is_filling)(const struct puller *puller);
};
/* The first member of every transport's own struct. */
struct puller {
    const struct puller_kind *kind;
    bool gap_failed; /* filling ended before its end, since the last turn began: for `once` */
};

extern const struct puller_kind outbound_puller; /* outbound_pull.c */
extern const struct puller_kind agent_puller;    /* agent_pull.c */

/* ---- who fills a gap now: at most gap_parallel vehicles at a time, in turn ---- */
struct gap_ticket {
    struct gap_ticket *next; /* the lane's own, as the next two */
    bool waiting, running;
    void (*run)(void *context); /* it may fill one piece (a sub-window, a batch); then gap_lane_done */
    void *context;
};
struct gap_lane *gap_lane_new(struct loop *loop, size_t parallel, struct error *err) MUST_USE;
void gap_lane_free(struct gap_lane *lane);
/* Queues behind the others; run is called from the loop, never from within. No harm when it waits already. */
void gap_lane_ask(struct gap_lane *lane, struct gap_ticket *ticket);
/* A place at once, when one is free that nobody waits for; run is not called. */
bool gap_lane_try(struct gap_lane *lane, struct gap_ticket *ticket) MUST_USE;
/* The piece is over, or the ticket is taken back. No harm when it neither waits nor runs. */
void gap_lane_done(struct gap_lane *lane, struct gap_ticket *ticket);
/* Somebody waits for a place. */
bool gap_lane_is_wanted(const struct gap_lane *lane);
/* Nothing begins until the writer has room again. */
void gap_lane_wait_for_room(struct gap_lane *lane, struct writer *writer);

#endif
