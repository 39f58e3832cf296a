/* One export of an agent on its way: asked for, unpacked as it comes, line by line, and held against what its
 * headers promise. Knows nothing of what is in the lines. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_EXPORT_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_EXPORT_H

#include "common/wire/agent_words.h"
#include "common/wire/export_words.h"
#include "server_tools/central/line_reader.h"
#include "server_tools/sync_service/agent_session.h"

enum export_end {
    EXPORT_WHOLE,   /* every line came, and its end */
    EXPORT_STOPPED, /* on_line has seen enough: agent_export_stop */
    EXPORT_BROKE,   /* the link; the lines that came are what was sent */
    EXPORT_DAMAGED, /* what came is not what was promised, or no such lines */
    EXPORT_REFUSED, /* another status than 200 */
    EXPORT_FAILED,  /* it was never begun: the log-in, memory */
};

struct agent_export_result {
    enum export_end end;
    const struct error *err; /* NULL with EXPORT_WHOLE and EXPORT_STOPPED */
    const struct export_promise *promise;
    int64_t lines;
    int64_t bytes;               /* over the wire */
    bool reached;                /* it answered something */
    char word[AGENT_WORD_BYTES]; /* of a refusal: "store_changed" */
};

struct agent_export;

struct agent_export_config {
    struct agent_session *session;
    const struct export_ask *ask; /* copied; so are its texts */
    size_t line_max_bytes;
    int64_t floor_s; /* as http_pool_request has it */
    line_reader_on_line *on_line;
    bool (*has_room)(void *context); /* false: it waits for agent_export_resume. NULL: always */
    /* Once, from the loop; the export is gone when it returns. */
    void (*done)(void *context, const struct agent_export_result *result);
    void *context; /* of all three */
};

struct agent_export *agent_export_start(const struct agent_export_config *config, struct error *err) MUST_USE;
void agent_export_resume(struct agent_export *export);
/* From on_line, which returns false then: nothing more is wanted. */
void agent_export_stop(struct agent_export *export);
/* Valid from the first line on. */
const struct export_promise *agent_export_promise(const struct agent_export *export);
/* Ends it; no callback follows. NULL is fine. */
void agent_export_cancel(struct agent_export *export);

#endif
