/* Reads the small answers of the Outbound API: /status, /channels, /alarms (data_answer.h: /data). Strict in
 * what it knows, and members that it does not know are left alone: a vehicle may be newer than the service.
 * Knows nothing of HTTP. Threads: safe. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_OUTBOUND_ANSWERS_H
#define SERVER_TOOLS_SYNC_SERVICE_OUTBOUND_ANSWERS_H

#include "server_tools/sync_service/writer.h"

enum {
    OUTBOUND_ANSWER_MAX_BYTES = 4 * 1024 * 1024,
    OUTBOUND_STATUS_MAX_BYTES = 64 * 1024,
};

struct outbound_status {
    char name[VEHICLE_NAME_BYTES]; /* "": it says none */
    char software_version[64];     /* "": it says none */
    int64_t time_us;               /* its clock */
    bool db_ok;                    /* true when it says nothing */
};
/* Errors of all three: ERR_PROTOCOL with what is wrong, ERR_LIMIT, ERR_MEMORY. Outputs untouched then. */
bool outbound_status_read(struct view body, struct outbound_status *out, struct error *err) MUST_USE;

/* *channels: malloc'ed, the caller's; NULL when there are none. A machine's number that comes twice is
 * refused. */
bool outbound_channels_read(struct view body, struct job_channel **channels, size_t *count,
                            struct error *err) MUST_USE;

/* Elements that cannot be taken as they are. */
struct outbound_left_out {
    size_t count;
    struct error first; /* which, and why: "element 3: member `raised_at`: expected a time" */
};
/* By alarm_id. An element that cannot be taken is left out, so that it keeps none of the others away; of one
 * alarm that comes several times the one that ended last is taken. */
bool outbound_alarms_read(struct view body, struct job_alarm **alarms, size_t *count,
                          struct outbound_left_out *left_out, struct error *err) MUST_USE;

#endif
