/* Writes what came from vehicles into PostgreSQL: a few threads with a connection each, a queue that is
 * bounded in bytes, jobs of many vehicles in one transaction where they come together. Knows nothing of HTTP.
 * What survives a crash: committed jobs, whole; of one that was being written at most some readings, without
 * progress or journal. Progress moves only with or after the rows it counts, so what was lost with the
 * process is fetched again, and what is there already is left out. PostgreSQL away: jobs fail with
 * ERR_UNREACHABLE, connections come back by themselves (back-off up to WRITER_RECONNECT_MAX_S). Threads: all
 * functions from the loop's thread; `done` is called there, through a mailbox. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_WRITER_H
#define SERVER_TOOLS_SYNC_SERVICE_WRITER_H

#include "common/base/log.h"
#include "common/os/mailbox.h"
#include "server_tools/sync_service/channel_book.h"
#include "server_tools/sync_service/room.h"
#include "server_tools/sync_service/vehicle.h"

enum {
    WRITER_RECONNECT_MAX_S = 10,
    WRITER_GROUP_ROWS = 100000, /* of one transaction, over all its jobs */
    WRITER_GROUP_JOBS = 512,
};

enum writer_lane {
    LANE_LIVE, /* first; one connection at least does nothing else */
    LANE_GAP,
};

/* What moves with the rows, in their transaction; a member that is left at its "leave" value stays. */
struct job_progress {
    bool window; /* the next three are set, INT64_MIN: to NULL */
    int64_t last_sync_us, live_from_us, live_to_us;
    const char *store_id; /* not NULL: the next are set; borrowed from the vehicle's state until done */
    int64_t cursor_seq, alarms_seq;   /* -1: leave; never moved back */
    int64_t live_after_seq, live_seq; /* -1: none */
    bool synced;                      /* signed: last_sync_at is now (window false) */
};

/* What /status said. */
struct job_status {
    int64_t seen_us;                 /* vehicles.last_seen_at; INT64_MIN: leave */
    const char *sync_status;         /* ok, timeout, error; NULL: leave */
    char software_version[64];       /* "": leave */
    char agent_id[SHA256_HEX_BYTES]; /* "": leave; set at a first contact alone */
    int64_t clock_offset_us;         /* INT64_MIN: leave */
};

struct job_channel {
    int32_t remote_id; /* outbound: the machine's; -1: none */
    char name[128], unit[64], description[256];
    double min_value, max_value; /* NaN: none */
};

struct job_alarm {
    int64_t alarm_id;
    int32_t remote_id; /* outbound: the machine's channel_id; -1: by name, or none */
    char channel[128]; /* signed; "" with remote_id */
    char severity[16], message[256];
    int64_t raised_us, resolved_us; /* INT64_MIN: it lasts */
};

enum { JOB_NOTE_BYTES = ERROR_TEXT_BYTES }; /* whatever an error says is whole */

struct job_journal {
    int64_t started_us, finished_us; /* started_us INT64_MIN: no entry */
    const char *status;              /* ok, timeout, error */
    int64_t rows_written,
        bytes; /* rows_written: those of earlier jobs of the turn; the job's own are added */
    char note[JOB_NOTE_BYTES];
};

/* Where a job is in the queue. The writer's own (writer_queue.h). */
struct job_place {
    struct writer *writer;
    struct write_job *next_head; /* of its bucket; of a vehicle's first job alone, as the next */
    struct write_job *last;      /* of the vehicle's jobs */
    struct write_job *behind;    /* the vehicle's next job */
    struct write_job *before, *after;
    enum writer_lane lane; /* where it is ready: a live one behind it takes it along */
    bool taken;            /* by a thread */
    bool settled;          /* its error says how it went */
    size_t bytes;
};

struct write_job {
    struct letter letter; /* first: how it comes back */
    enum writer_lane lane;
    int64_t vehicle_id;
    /* The vehicle's; NULL: no rows. Until done nobody frees it; who reads may add to it. */
    struct channel_book *book;
    int64_t now_limit_us; /* readings later than this are quarantined; INT64_MAX: none */

    struct job_status status;
    struct job_channel
        *channels; /* all that the machine has, or NULL; malloc'ed, the job's own, as the next two */
    size_t channel_count;
    int64_t described_us; /* as of when (channel_config.synced_at) */
    /* Which of the machine's numbers have a channel, before the job itself says anything of them: read when
     * it asks. Out: malloc'ed, the job's own; those of the channels that were made last first. */
    bool asks_numbers;
    int32_t *numbers;
    size_t number_count;
    /* channel_id of a row: an index of the book (channel_book.h). Any order; repeated keys do no harm. */
    struct central_row *rows;
    size_t row_count;
    bool expect_new;       /* nothing of it should be there: straight COPY is tried first */
    struct room_part part; /* of the writer's room, before it is put */
    struct job_alarm *alarms;
    size_t alarm_count;
    struct job_progress progress;
    struct job_journal journal;

    /* Called on the loop. err NULL: committed. The job belongs to the caller again, who frees it with
     * write_job_free. */
    void (*done)(void *context, struct write_job *job, const struct error *err);
    void *context;
    int64_t rows_added, rows_quarantined, alarms_added; /* out */
    /* The writer's own: */
    int64_t rows_aside; /* of rows_added, what a try that failed has committed for good */
    struct error error;
    struct job_place place;
};

struct write_job *write_job_new(struct error *err) MUST_USE; /* everything at "leave" */
void write_job_free(struct write_job *job);                  /* NULL is fine */
size_t write_job_bytes(const struct write_job *job);         /* what it holds, for the budget */

struct writer;
struct writer_config {
    const char *db_url;
    size_t connections; /* 2 to 16; each but one opens one more while it writes large gaps */
    size_t queue_bytes; /* of jobs that wait or are being written, and of what is gathered for them */
    struct mailbox *mailbox;
    const struct clock *clock;
    const struct log *log;
};
/* Starts its threads; PostgreSQL need not be there. */
struct writer *writer_start(const struct writer_config *config, struct error *err) MUST_USE;
/* Jobs that wait fail with ERR_CANCELLED, those that are being written end. Their `done`s are called by the
 * mailbox after it. NULL is fine. */
void writer_stop(struct writer *writer);

/* Takes the job; `done` follows in any case. Jobs of one vehicle are done in the order in which they came,
 * one lane or two. Never refuses: who fetches asks writer_has_room before he fetches more. */
void writer_put(struct writer *writer, struct write_job *job);

/* Where those who gather for a job hold a part; what is in its queue counts there, too. */
struct room *writer_room(struct writer *writer);
/* Whether so many bytes more fit into the queue. When not, whoever waits is called once, from the loop, when
 * half of it is free. */
bool writer_has_room(struct writer *writer, size_t bytes);
void writer_wait_for_room(struct writer *writer, struct room_waiter *waiter); /* no harm when he waits */
void writer_wait_no_more(struct writer *writer, struct room_waiter *waiter);  /* no harm when he does not */
/* At least one connection stands: while it does not, nobody need fetch anything. */
bool writer_is_connected(const struct writer *writer);

struct writer_counts {
    size_t queue_bytes, queue_jobs;
    uint64_t rows, jobs, transactions, failures, reconnects;
    int64_t last_transaction_us; /* how long it took */
};
struct writer_counts writer_counts(const struct writer *writer);

#endif
