/* What a GET /data/export asks for: its parameters, parsed once. Knows no store. Threads: safe. */
#ifndef AGENT_EXPORT_REQUEST_H
#define AGENT_EXPORT_REQUEST_H

#include "common/net/http_server.h"
#include "common/pack/packer.h"

enum export_stream { EXPORT_READINGS, EXPORT_ALARMS, EXPORT_CHANNELS };

struct export_request {
    const char *since, *after, *store, *limit; /* as given, the request's; NULL: not given */
    enum export_stream stream;
    enum pack_format format;
    int64_t since_us;   /* INT64_MIN: not given */
    int64_t after_seq;  /* 0: not given */
    int64_t limit_rows; /* 0: not given */
};

/* What is answered instead of an export: status, the stable word, a sentence. All texts are constants. */
struct refusal {
    unsigned status;
    const char *error, *detail;
};

/* cursor: whether there is a seq to ask by; without, `after` is refused whatever stands in it. False with
 * *refusal (400). */
bool export_request_read(struct http_request *request, bool cursor, struct export_request *out,
                         struct refusal *refusal) MUST_USE;

/* Sets *refusal; always false. */
bool refuse_export(struct refusal *refusal, unsigned status, const char *error, const char *detail);

#endif
