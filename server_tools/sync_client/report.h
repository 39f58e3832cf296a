/* What came home, said at the end: a few lines for people, or one JSON object. Knows nothing of how it came.
 */
#ifndef SERVER_TOOLS_SYNC_CLIENT_REPORT_H
#define SERVER_TOOLS_SYNC_CLIENT_REPORT_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/hash.h"
#include "common/pack/packer.h"

enum { REPORT_MAX_BYTES = 4 * 1024 * 1024 };

enum {
    REPORT_VERSION_BYTES = 64,
    REPORT_WORD_BYTES = 64,
    REPORT_DETAIL_BYTES = 256,
};

enum report_update_outcome {
    REPORT_UPDATE_NONE,    /* none was asked for, or it came to no attempt */
    REPORT_UPDATE_QUEUED,  /* the machine has it */
    REPORT_UPDATE_REFUSED, /* the machine does not want it */
    REPORT_UPDATE_FAILED,  /* it did not get there */
};

/* What became of an update. */
struct report_update {
    enum report_update_outcome outcome;
    const char *file; /* borrowed */
    char version[REPORT_VERSION_BYTES];
    int64_t bytes;
    int64_t sent_us;                  /* of the last attempt, until everything had left; 0: it never had */
    int64_t us;                       /* the same with the machine's verification */
    char status[REPORT_WORD_BYTES];   /* the machine's words; "" */
    char reason[REPORT_WORD_BYTES];   /* of bad_package; "" */
    char detail[REPORT_DETAIL_BYTES]; /* "" */
};

struct report {
    const char *client_id; /* borrowed, as the next */
    const char *database;  /* "": none */
    char agent_id[SHA256_HEX_BYTES];
    char store_id[64]; /* "": nothing was measured yet */
    char software_version[64];
    int64_t records;             /* readings of this session's archives */
    int64_t bytes;               /* of all their files */
    int64_t readings_bytes;      /* of the files of readings */
    int64_t alarms;              /* of this session's archives */
    enum pack_format format;     /* of the last of them */
    struct buf archives;         /* their paths, each with its NUL */
    int64_t imported, added;     /* readings read into the database, those that were new there */
    int64_t alarms_added;        /* alarms that were new there */
    int64_t channels_changed;    /* mean something else by now */
    int64_t ended_us;            /* when all that was seen */
    int64_t channels;            /* of this client in the database; -1 without one */
    bool has_seq;                /* false: the readings come from a table */
    int64_t first_seq, last_seq; /* first -1: nothing came, or without seq; last: where the cursor stands */
    int64_t alarms_last_seq;     /* where that of alarms stands */
    int64_t period_start_us, period_end_us;
    int64_t us;    /* spent on receiving */
    bool exported; /* nothing of the export failed */
    struct report_update update;
};

void report_init(struct report *report);
void report_clear(struct report *report);

bool report_print(const struct report *report, bool json, struct error *err) MUST_USE;

#endif
