/* Jobs of different vehicles written in one transaction, and what is done when that fails: each alone, once,
 * so that no vehicle's trouble is another's. Knows nothing of threads or queues. Threads: a session belongs
 * to one. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_WRITER_GROUP_H
#define SERVER_TOOLS_SYNC_SERVICE_WRITER_GROUP_H

#include "common/store/pg.h"
#include "server_tools/central/batch_sorter.h"
#include "server_tools/central/central_postgres.h"
#include "server_tools/sync_service/writer.h"

struct write_session {
    struct pg *pg; /* NULL: none now */
    const struct clock *clock;
    enum copy_right copy_right; /* of pg */
    bool begun;                 /* the last group came as far as writing something */
    struct pg *aside;           /* takes half of one vehicle's many new readings; NULL: there is none */
    bool made_channels;         /* the transaction has: no reading of theirs may be committed before it */
    struct batch_sorter *sorter;
    struct central_row *rows; /* CENTRAL_BATCH_ROWS */
    char *copy, *aside_copy;  /* PG_COPY_BUFFER_BYTES each */
    struct write_job *held[WRITER_GROUP_JOBS];
};

/* Memory alone; pg and aside are set by the caller, who closes them too. */
bool write_session_init(struct write_session *session, const struct clock *clock, struct error *err) MUST_USE;
void write_session_clear(struct write_session *session);

/* Whether a second connection would make this group faster. */
bool write_wants_aside(struct write_job *const *jobs, size_t count);

/* Both say by a job's `settled` that its error tells how it went: ERR_NONE is committed. ERR_UNREACHABLE: the
 * connection is of no use any more, and of a job that was under way nobody knows whether it is committed; it
 * does no harm to write it again. ERR_BUSY: somebody else imports this vehicle, or holds its row for long.
 * Each returns how many transactions were committed. */

/* In one transaction, waiting for nobody. Sorts jobs by vehicle. Those that are not settled are to be written
 * alone: all of them where the transaction failed, and whose row somebody held. */
size_t write_together(struct write_session *session, struct write_job **jobs, size_t count);
/* Settles it. */
size_t write_alone(struct write_session *session, struct write_job *job);

/* ---- the parts of a transaction, for writer_*.c ---- */

enum write_way {
    WRITE_STRAIGHT, /* COPY of all that should be new, the rest filtered */
    WRITE_FILTERED, /* what is there already is left out */
    WRITE_STAGED,   /* through a temporary table: whatever comes in between */
};

/* Jobs that are held, in the order of their vehicles. */
struct held_jobs {
    struct write_session *session;
    struct write_job **jobs;
    size_t count;
};

/* NULL: none of these vehicles. */
struct write_job *held_job_of(const struct held_jobs *held, int64_t vehicle_id);

/* writer_numbers.c: which of the machine's numbers have channels, for jobs that ask. */
bool write_numbers(const struct held_jobs *held, struct error *err) MUST_USE;

/* writer_channels.c: what machines say of their channels, and the central ids of all that came in. */
bool write_descriptions(const struct held_jobs *held, struct error *err) MUST_USE;
bool write_channel_ids(const struct held_jobs *held, struct error *err) MUST_USE;
/* After the commit: what was said counts as said. */
void write_descriptions_done(const struct held_jobs *held);
/* Lines with a remote_id: those that no channel has get one of their own. */
bool write_numbered_channels(struct pg *pg, const char *lines, struct error *err) MUST_USE;

/* writer_rows.c */
bool write_rows(const struct held_jobs *held, enum write_way way, struct error *err) MUST_USE;

/* writer_words.c: alarms; status, progress and the journal. */
bool write_alarms(const struct held_jobs *held, struct error *err) MUST_USE;
bool write_states(const struct held_jobs *held, struct error *err) MUST_USE;

#endif
