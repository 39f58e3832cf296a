/* What a simulated vehicle can be made to do wrong, and for which of its answers. */
#ifndef TESTS_BENCH_FARM_FAULTS_H
#define TESTS_BENCH_FARM_FAULTS_H

#include "common/base/view.h"

enum fault {
    FAULT_NONE,
    /* ---- of the whole vehicle ---- */
    FAULT_DEAD,       /* refuses connections */
    FAULT_BLACK_HOLE, /* connections are never made: SYNs are dropped */
    /* ---- of answers ---- */
    FAULT_SILENT,      /* never answers */
    FAULT_TRICKLE,     /* one byte a second */
    FAULT_GARBAGE,     /* no JSON */
    FAULT_WRONG_TYPES, /* JSON, with other types than it should have */
    FAULT_GIGABYTE,    /* a body of 1 GiB; with gzip a small one that unpacks to it */
    FAULT_DISORDER,    /* rows in the wrong order of time */
    FAULT_OUTSIDE,     /* rows from outside the window asked for */
    FAULT_FOREIGN,     /* the answer of another vehicle, to another question */
    FAULT_REDIRECT,    /* 302 to another vehicle */
    FAULT_REFUSE,      /* 401 */
    FAULT_ERROR,       /* 500 */
    FAULT_MID_CLOSE,   /* closes in the middle of the body */
    FAULT_HANG,        /* nothing after the headers */
    FAULT_SLOW_START,  /* FARM_SLOW_START_MS before each answer */
    FAULT_NEW_CERT,    /* another certificate (TLS) */
    FAULTS,
};

enum fault_scope { /* bits */
                   SCOPE_STATUS = 1,
                   SCOPE_CHANNELS = 2,
                   SCOPE_DATA = 4,
                   SCOPE_ALARMS = 8,
                   SCOPE_ALL = 15,
};

/* FAULTS: no such word. */
enum fault fault_of(struct view word);
/* 0: no such word. "" is all. */
unsigned fault_scope_of(struct view word);

#endif
