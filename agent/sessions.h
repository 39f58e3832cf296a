/* Sessions: who logged in, with which token, until when, and what was asked with it. Tokens are random, live
 * in memory and end after SESSION_LIFETIME_S; the session past SESSIONS_MAX ends the oldest. A session's
 * summary is reported once: when its token ended and its last request too, or when nothing was asked for
 * SESSION_IDLE_S. A token used again after that begins a new summary. Knows nothing of HTTP or of logs.
 * Threads: safe. */
#ifndef AGENT_SESSIONS_H
#define AGENT_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/view.h"

enum {
    SESSIONS_MAX = 64,
    SESSION_LIFETIME_S = 300,
    SESSION_IDLE_S = 10,
    SESSION_TOKEN_BYTES = 37, /* a UUID and its NUL */
    SESSION_ADDRESS_BYTES = 48,
    SESSION_VERSION_BYTES = 64,
};

enum session_outcome {
    SESSION_UNUSED,  /* nothing was asked */
    SESSION_OK,      /* every request was answered */
    SESSION_REFUSED, /* a request was refused or failed */
    SESSION_CUT_OFF, /* an export or an upload ended before its end */
};
const char *session_outcome_text(enum session_outcome outcome); /* for people */
const char *session_outcome_word(enum session_outcome outcome); /* for programs */

struct session_summary {
    char address[SESSION_ADDRESS_BYTES];
    int64_t began_utc_us;                       /* the log-in, or the first request after the last report */
    int64_t ended_utc_us;                       /* its last request's end */
    int64_t records;                            /* readings, of exports that came to their end */
    int64_t alarms;                             /* the same */
    int64_t bytes;                              /* of all exports, as sent */
    char update_version[SESSION_VERSION_BYTES]; /* of the last update offered; "" */
    enum session_outcome outcome;               /* the worst of its requests */
};

struct sessions;
struct session; /* one token's; lives while a request holds it */

/* report: called once a session, on any thread, without a lock held. */
struct sessions *sessions_new(const struct clock *clock,
                              void (*report)(void *context, const struct session_summary *summary),
                              void *context, struct error *err) MUST_USE;
/* After the last request has released its session: reports what is not reported yet. NULL is fine. */
void sessions_free(struct sessions *sessions);

/* A new session for this address. */
bool sessions_begin(struct sessions *sessions, const char *address, char token[SESSION_TOKEN_BYTES],
                    struct error *err) MUST_USE;

/* The session of a live token, held until session_release; NULL: there is none. Compares with every token in
 * the same time. */
struct session *sessions_hold(struct sessions *sessions, struct view token) MUST_USE;
/* One more holder of a session that the caller holds. */
void session_hold(struct session *session);
void session_release(struct session *session);

/* What a request of a held session came to. */
void session_note(struct session *session, enum session_outcome outcome);
void session_note_export(struct session *session, enum session_outcome outcome, int64_t records,
                         int64_t bytes);
void session_note_update(struct session *session, enum session_outcome outcome, const char *version);
void session_note_alarms(struct session *session, int64_t alarms);

/* Ends what has expired and reports what is idle; call it about once a second. */
void sessions_sweep(struct sessions *sessions);

#endif
