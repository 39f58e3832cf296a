#include "agent/sessions.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/crypto/random.h"

/* A session in the table has a token; one that is out of it lives on while a request holds it. */
struct session {
    struct sessions *sessions;
    char token[SESSION_TOKEN_BYTES];
    int64_t expires_us; /* monotonic, as the others */
    int64_t last_us;    /* its last request's beginning or end */
    size_t holders;
    bool in_table;
    bool unreported; /* the summary has something that was not reported */
    struct session_summary summary;
};

struct sessions {
    const struct clock *clock;
    void (*report)(void *context, const struct session_summary *summary);
    void *context;
    pthread_mutex_t lock;
    size_t count;
    struct session *table[SESSIONS_MAX]; /* the oldest first */
};

/* What is to be done after the lock was given back. */
struct farewell {
    struct session_summary summaries[SESSIONS_MAX];
    size_t count;
};

static const struct {
    const char *text, *word;
} outcomes[] = {
    [SESSION_UNUSED] = {"nothing asked", "nothing_asked"},
    [SESSION_OK] = {"ok", "ok"},
    [SESSION_REFUSED] = {"refused", "refused"},
    [SESSION_CUT_OFF] = {"cut off", "cut_off"},
};

const char *session_outcome_text(enum session_outcome outcome)
{
    return outcomes[outcome].text;
}

const char *session_outcome_word(enum session_outcome outcome)
{
    return outcomes[outcome].word;
}

struct sessions *sessions_new(const struct clock *clock,
                              void (*report)(void *context, const struct session_summary *summary),
                              void *context, struct error *err)
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions == NULL) {
        error_set(err, ERR_MEMORY, "the table of sessions");
        return NULL;
    }
    sessions->clock = clock;
    sessions->report = report;
    sessions->context = context;
    pthread_mutex_init(&sessions->lock, NULL);
    return sessions;
}

/* ---- with the lock held ---- */

static void summary_take(struct session *session, struct farewell *out)
{
    if (!session->unreported)
        return;
    out->summaries[out->count++] = session->summary;
    session->unreported = false;
    session->summary.records = 0;
    session->summary.alarms = 0;
    session->summary.bytes = 0;
    session->summary.update_version[0] = '\0';
    session->summary.outcome = SESSION_UNUSED;
}

static void free_when_over(struct session *session, struct farewell *out)
{
    if (session->in_table || session->holders > 0)
        return;
    summary_take(session, out);
    explicit_bzero(session->token, sizeof(session->token));
    free(session);
}

static void end_at(struct sessions *sessions, size_t index, struct farewell *out)
{
    struct session *session = sessions->table[index];
    sessions->count--;
    memmove(sessions->table + index, sessions->table + index + 1,
            (sessions->count - index) * sizeof(sessions->table[0]));
    session->in_table = false;
    free_when_over(session, out);
}

/* All live as long, so the expired ones stand first. */
static void end_expired(struct sessions *sessions, int64_t now_us, struct farewell *out)
{
    while (sessions->count > 0 && sessions->table[0]->expires_us <= now_us)
        end_at(sessions, 0, out);
}

static void touch(struct session *session)
{
    session->last_us = clock_monotonic_us(session->sessions->clock);
    session->summary.ended_utc_us = clock_utc_us(session->sessions->clock);
    if (!session->unreported) {
        session->unreported = true;
        session->summary.began_utc_us = session->summary.ended_utc_us;
    }
}

/* ---- without it ---- */

static void say(struct sessions *sessions, const struct farewell *farewell)
{
    for (size_t i = 0; i < farewell->count; i++)
        sessions->report(sessions->context, &farewell->summaries[i]);
}

bool sessions_begin(struct sessions *sessions, const char *address, char token[SESSION_TOKEN_BYTES],
                    struct error *err)
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return error_set(err, ERR_MEMORY, "a session");
    int64_t now_us = clock_monotonic_us(sessions->clock);
    session->sessions = sessions;
    session->expires_us = now_us + (int64_t)SESSION_LIFETIME_S * US_PER_S;
    session->in_table = true;
    memcpy(session->summary.address, address, strnlen(address, SESSION_ADDRESS_BYTES - 1));
    random_uuid(session->token);
    memcpy(token, session->token, SESSION_TOKEN_BYTES);
    touch(session);

    struct farewell farewell = {.count = 0};
    pthread_mutex_lock(&sessions->lock);
    end_expired(sessions, now_us, &farewell);
    if (sessions->count == SESSIONS_MAX)
        end_at(sessions, 0, &farewell);
    sessions->table[sessions->count++] = session;
    pthread_mutex_unlock(&sessions->lock);
    say(sessions, &farewell);
    return true;
}

struct session *sessions_hold(struct sessions *sessions, struct view token)
{
    if (token.size != SESSION_TOKEN_BYTES - 1)
        return NULL;
    struct session *found = NULL;

    pthread_mutex_lock(&sessions->lock);
    int64_t now_us = clock_monotonic_us(sessions->clock);
    for (size_t i = 0; i < sessions->count; i++) {
        struct session *session = sessions->table[i];
        struct view own = {session->token, SESSION_TOKEN_BYTES - 1};
        if (text_equal_constant_time(own, token) && now_us < session->expires_us)
            found = session;
    }
    if (found != NULL) {
        found->holders++;
        touch(found);
    }
    pthread_mutex_unlock(&sessions->lock);
    return found;
}

void session_hold(struct session *session)
{
    pthread_mutex_lock(&session->sessions->lock);
    session->holders++;
    pthread_mutex_unlock(&session->sessions->lock);
}

void session_release(struct session *session)
{
    struct sessions *sessions = session->sessions;
    struct farewell farewell = {.count = 0};
    pthread_mutex_lock(&sessions->lock);
    session->holders--;
    touch(session);
    free_when_over(session, &farewell);
    pthread_mutex_unlock(&sessions->lock);
    say(sessions, &farewell);
}

void session_note_export(struct session *session, enum session_outcome outcome, int64_t records,
                         int64_t bytes)
{
    pthread_mutex_lock(&session->sessions->lock);
    session->summary.records += records;
    session->summary.bytes += bytes;
    if (outcome > session->summary.outcome)
        session->summary.outcome = outcome;
    pthread_mutex_unlock(&session->sessions->lock);
}

void session_note_alarms(struct session *session, int64_t alarms)
{
    pthread_mutex_lock(&session->sessions->lock);
    session->summary.alarms += alarms;
    pthread_mutex_unlock(&session->sessions->lock);
}

void session_note_update(struct session *session, enum session_outcome outcome, const char *version)
{
    struct session_summary *summary = &session->summary;
    pthread_mutex_lock(&session->sessions->lock);
    snprintf(summary->update_version, sizeof(summary->update_version), "%s", version);
    if (outcome > summary->outcome)
        summary->outcome = outcome;
    pthread_mutex_unlock(&session->sessions->lock);
}

void session_note(struct session *session, enum session_outcome outcome)
{
    session_note_export(session, outcome, 0, 0);
}

void sessions_sweep(struct sessions *sessions)
{
    struct farewell farewell = {.count = 0};
    pthread_mutex_lock(&sessions->lock);
    int64_t now_us = clock_monotonic_us(sessions->clock);
    for (size_t i = 0; i < sessions->count; i++) {
        struct session *session = sessions->table[i];
        bool asked = session->summary.outcome != SESSION_UNUSED;
        if (asked && session->holders == 0 && now_us - session->last_us >= (int64_t)SESSION_IDLE_S * US_PER_S)
            summary_take(session, &farewell);
    }
    end_expired(sessions, now_us, &farewell);
    pthread_mutex_unlock(&sessions->lock);
    say(sessions, &farewell);
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    struct farewell farewell = {.count = 0};
    while (sessions->count > 0)
        end_at(sessions, 0, &farewell);
    say(sessions, &farewell);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}
