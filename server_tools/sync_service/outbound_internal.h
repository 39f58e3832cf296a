/* The parts of the Outbound API's puller, inside outbound_*.c only:
 *   outbound_pull.c     one live turn, step by step
 *   outbound_commit.c   how it ends, well or not
 *   outbound_gap.c      what is missing behind it, piece by piece, between and beside turns
 *   outbound_get.c      one request and its answer
 *   outbound_channels.c which channels are the machine's
 *   outbound_desk.c     hands what came to the writer, one job of a vehicle at a time
 * Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_OUTBOUND_INTERNAL_H
#define SERVER_TOOLS_SYNC_SERVICE_OUTBOUND_INTERNAL_H

#include <stddef.h>

#include "server_tools/sync_service/data_answer.h"
#include "server_tools/sync_service/outbound_answers.h"
#include "server_tools/sync_service/turn.h"
#include "server_tools/sync_service/windows.h"

enum {
    OUTBOUND_DATA_MAX_BYTES = 32 * 1024 * 1024, /* of one answer of /data, unpacked */
    OUTBOUND_DATA_TIMES = 12,   /* PULL_TIMEOUT_SEC that one may take, while it makes progress */
    OUTBOUND_SMALL_ROWS = 8192, /* more of one answer need a place in the gap lane: memory is bounded */
    OUTBOUND_LARGE_BYTES = DATA_ANSWER_MAX_ROWS * sizeof(struct central_row), /* of the writer's budget */
    OUTBOUND_GAP_JOB_ROWS = 100000, /* a live job waits for one of these at most */
    OUTBOUND_GAP_TRIES = 3,         /* of a piece that was too slow, halved each time */
    OUTBOUND_TARGET_BYTES = 128,
};

/* alarms_seq of this store_id is how far alarms are home, in microseconds of the vehicle's clock. */
#define OUTBOUND_STORE "outbound"

struct outbound;

/* ---- one request ---- */

/* A request under way: what it was for may give it up before it has ended. */
struct outbound_call {
    struct outbound *outbound;
    struct outbound_get *get; /* NULL: given up */
    struct http_transfer *transfer;
};

struct outbound_get {
    struct outbound *outbound;
    const char *what;           /* "/status": for notes */
    struct outbound_call *call; /* NULL: none is under way */
    struct data_answer *data;   /* of /data */
    bool truncated;             /* it has said so, or it is crowded: the rest is not waited for */
    bool crowded;               /* it was large, and no place was free for that */
    struct room_waiter waits;   /* paused until the writer has room */
    struct gap_ticket place;    /* in the lane, of a large answer */
    bool has_place;             /* it may be large */
    int32_t stranger;           /* a row's channel, for which /channels is asked again */
    struct error error;         /* why the answer was not taken */
    uint64_t wire_bytes;        /* of this and the requests before it, till they are counted */
    unsigned status;
    int64_t duration_us;
    /* err NULL: 200, the body is whole and, of /data, as it must be (or truncated). The text of err says what
     * was asked for. */
    void (*done)(struct outbound *outbound, struct view body, const struct error *err);
};

/* what: "/status"; window: of /data and /alarms. False: done is not called. */
bool outbound_get_small(struct outbound_get *get, const char *what, const struct window *window,
                        struct error *err) MUST_USE;
bool outbound_get_data(struct outbound_get *get, struct window window, struct error *err) MUST_USE;
/* Gives it up, the place back, frees the answer; no `done` follows. */
void outbound_get_clear(struct outbound_get *get);
/* From the first row that came to the last: how long a part of a crowded answer was not large. */
int64_t outbound_get_span_us(const struct outbound_get *get);
/* The answer's rows, their channel_id an index of the book now. Errors: ERR_INPUT (too many channels),
 * ERR_MEMORY. */
bool outbound_get_rows(struct outbound_get *get, struct central_row **rows, size_t *count,
                       struct error *err) MUST_USE;

/* ---- which channels are the machine's ----
 * A row is taken when its number is in the book, which has all that the tables knew when the service met the
 * vehicle and all that came since; when /channels lists it; and when /channels lists nothing or could not be
 * had. Else /channels is asked again, once for each answer of /data, and what it does not list then is
 * another vehicle's. */

/* The numbers that the tables know go into the book, then done (err: PostgreSQL, memory). False: it is not
 * called. */
bool outbound_channels_load(struct outbound *outbound,
                            void (*done)(struct outbound *outbound, const struct error *err),
                            struct error *err) MUST_USE;
/* What /channels said. job: the turn's, which describes them; NULL: nothing does. The array is gone then. */
void outbound_channels_take(struct outbound *outbound, struct write_job *job, struct job_channel *channels,
                            size_t count);
/* It could not be had. */
void outbound_channels_forget(struct outbound *outbound);
/* A row of a channel that is not the machine's, as far as is known now. */
bool outbound_channels_find_stranger(const struct outbound *outbound, const struct data_answer *data,
                                     int32_t *stranger);

/* ---- what is to be committed ---- */

/* Rows, and a job that carries everything else with the last of them. */
struct outbound_batch {
    struct write_job *last; /* NULL: there is no batch */
    enum writer_lane lane;
    struct central_row *rows; /* malloc'ed, the batch's */
    size_t row_count, at;
    size_t slice;         /* rows a job at most */
    struct window window; /* is home with it; empty: nothing moves */
    bool moves;           /* the progress of the window goes with it */
    int64_t now_limit_us;
    bool expect_new;
    bool queued; /* the desk's own, as the next two and `at` */
    int64_t rows_added, rows_quarantined;
    void (*done)(struct outbound *outbound, const struct error *err);
};

/* batch->done follows when all of it is committed or some of it has failed; last and rows are gone then. */
void outbound_desk_put(struct outbound *outbound, struct outbound_batch *batch);
void outbound_batch_clear(struct outbound_batch *batch);

/* ---- a live turn ---- */

struct outbound_turn {
    bool running;
    void (*done)(void *context, const struct turn_result *result);
    void *context;
    int64_t started_us;
    struct outbound_get get;
    struct outbound_status status;
    bool met; /* /status was what it must be */
    struct window_plan plan;
    struct windows_clock clock;
    int64_t now_us, now_limit_us;
    bool ahead_home; /* nothing is ahead, or it came whole */
    int64_t alarms_to_us;
    struct window alarms;
    bool alarms_came;
    struct outbound_batch batch;
    struct turn_result result;
    struct letter letter; /* `done` never comes from within */
};

/* What is known is committed, and the turn ends. */
void outbound_turn_commit(struct outbound *outbound);
/* The same without readings: the vehicle's fault (or ours: outbound_turn_not_ours). */
void outbound_turn_fail(struct outbound *outbound, const struct error *err);
/* PostgreSQL, or our memory: nothing is written, nothing is said of the vehicle. */
void outbound_turn_not_ours(struct outbound *outbound, const struct error *err);
/* For the journal, behind what it has. */
void outbound_turn_note(struct turn_result *result, const char *text);

/* ---- the gap behind it ---- */

/* A piece of what is missing: of the gap, or of what is ahead. */
struct outbound_piece {
    struct window window;
    bool is_ahead;
    unsigned epoch; /* of the home that it was cut from */
    int64_t started_us;
    struct central_row *rows;
    size_t row_count;
    uint64_t wire_bytes;
};

struct outbound_gap {
    bool active;
    unsigned tries;
    struct gap_ticket ticket;
    struct outbound_get get;
    struct window_steps steps, ahead_steps;
    unsigned epoch; /* of the next two */
    int64_t fetched_us,
        ahead_fetched_us;        /* how far pieces have been fetched; WINDOWS_NONE: none is under way */
    struct outbound_piece piece; /* being fetched */
    struct outbound_piece ready; /* waits until the one before it is committed */
    bool has_ready;
    struct outbound_piece written; /* being committed */
    struct error failure;          /* why the next one did not come: said when that is over */
    struct outbound_batch batch;
};

struct outbound {
    struct puller puller; /* first */
    const struct sync_scene *scene;
    struct vehicle vehicle;
    struct channel_book *book;
    bool has_numbers; /* the tables' are in the book */
    void (*numbers_came)(struct outbound *outbound, const struct error *err);
    int32_t
        *listed; /* the machine's channels as /channels has them, sorted; NULL: none, or it is not known */
    size_t listed_count;
    char calls_itself[VEHICLE_NAME_BYTES];
    bool no_store; /* its /status says that it cannot read its store: nothing of it is fetched */

    struct windows home; /* committed, or less */
    unsigned epoch;      /* moves when home is taken back: what was fetched before counts no more */
    struct windows_ahead ahead;
    struct window ahead_window; /* to be fetched by the gap's filler */
    bool narrow;                /* the last large answer was too much */
    int64_t alarms_us;          /* alarms before are home; WINDOWS_NONE: unknown */
    int64_t alarms_span_us;     /* 0: no limit; of one request, after one that was too large */

    struct outbound_turn turn;
    struct outbound_gap gap;
    struct outbound_batch *at_writer; /* one of its jobs is being written; NULL: none is */
    struct windows job_home;          /* what is home when it is */
    unsigned job_epoch;

    bool dead;      /* freed by its owner: it goes when nothing is under way */
    size_t pending; /* requests, jobs and letters under way */
};

/* One of `pending` has ended; true: the puller is gone. */
bool outbound_release(struct outbound *outbound);
/* A connection of no use any more, or a vehicle that is not ours: everything under way is called off. */
void outbound_gap_stop(struct outbound *outbound);
/* Begins to fill what is missing, if anything is and it is not being filled. */
void outbound_gap_wake(struct outbound *outbound);
void outbound_gap_init(struct outbound *outbound);
/* What is ahead is being filled already. */
bool outbound_gap_is_ahead(const struct outbound *outbound);
struct write_job *outbound_job(struct outbound *outbound, enum writer_lane lane, struct error *err) MUST_USE;
/* Printable, cut to what the journal holds. */
void outbound_note(char note[TURN_NOTE_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);
enum turn_status outbound_status_of(const struct error *err);

#endif
