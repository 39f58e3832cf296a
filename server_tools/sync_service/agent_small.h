/* The two small streams of an agent, alarms and channels, as a job takes them. Knows nothing of turns.
 * Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_SMALL_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_SMALL_H

#include "server_tools/sync_service/agent_export.h"

enum { AGENT_ALARMS_MAX = 10000 /* of one answer (docs/protocol.md) */ };

struct agent_small_result {
    enum export_end end;
    const struct error *err; /* NULL: all of it came */
    bool reached;
    char word[AGENT_WORD_BYTES]; /* of a refusal */
    int64_t bytes;
    struct job_alarm *alarms; /* malloc'ed, the receiver's, as the next; NULL: none, or err */
    struct job_channel *channels;
    size_t count;
    size_t left_out; /* alarms that are no good: they are passed, so that they block none behind them */
    struct error first_out; /* which the first was, and why */
    int64_t last_seq;       /* of the last alarm, also of one left out; what was asked from without any */
};

struct agent_small;

/* ask: of alarms by seq, or of channels. book: where described channels are counted, so that none comes
 * twice. done: once, from the loop. */
struct agent_small *agent_small_start(struct agent_session *session, const struct export_ask *ask,
                                      int64_t floor_s, struct channel_book *book,
                                      void (*done)(void *context, struct agent_small_result *result),
                                      void *context, struct error *err) MUST_USE;
/* No callback follows. NULL is fine. */
void agent_small_cancel(struct agent_small *small);

#endif
