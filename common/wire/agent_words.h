/* What an agent answers, as valid structs: /status, and the words of a refusal. Knows nothing of how it came.
 * Source: docs/protocol.md, "A session". Threads: safe. */
#ifndef COMMON_WIRE_AGENT_WORDS_H
#define COMMON_WIRE_AGENT_WORDS_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum { AGENT_ANSWER_MAX_BYTES = 256 * 1024, AGENT_WORD_BYTES = 64, AGENT_STORE_ID_BYTES = 64 };

/* A text member of an answer in JSON, harmless for a terminal or a log; "" when there is none. */
void agent_answer_text(struct view body, const char *member, char *out, size_t out_bytes);

/* As an error: "answered 503 busy, as many exports ... to GET /data/export". Always false. what: the method
 * and the path. */
bool agent_answer_explain(unsigned status, struct view body, const char *what, enum error_code code,
                          struct error *err);

struct agent_status {
    char store_id[AGENT_STORE_ID_BYTES]; /* "": nothing was measured yet */
    char version[64];
    char agent_id[AGENT_WORD_BYTES + 1]; /* who it says it is; "": it did not say */
    bool has_seq;     /* false: its readings come from a table and have none; next_seq says nothing */
    int64_t next_seq; /* the first that was not yet given */
    int64_t clock_us; /* the machine's time; INT64_MIN: it did not say */
    bool zstd, alarms, channels; /* what it offers; an older agent says nothing: gzip and readings alone */
};
/* Errors: ERR_PROTOCOL. */
bool agent_status_read(struct view body, struct agent_status *out, struct error *err) MUST_USE;

#endif
