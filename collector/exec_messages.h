/* What a command says on stderr: into the log line by line, so many a minute; its last line is kept as the
 * reason of a failure. Knows nothing of the command. Threads: one at a time. */
#ifndef COLLECTOR_EXEC_MESSAGES_H
#define COLLECTOR_EXEC_MESSAGES_H

#include "common/base/log.h"

enum {
    EXEC_MESSAGE_BYTES = 256,    /* of a line; the rest of a longer one is left out */
    EXEC_MESSAGES_A_MINUTE = 20, /* in the log; the others are counted there */
    EXEC_MESSAGES_READ_BYTES = 16 * 1024,
};

struct exec_messages {
    const char *name;              /* of the input, borrowed */
    const struct log *log;         /* borrowed */
    char line[EXEC_MESSAGE_BYTES]; /* what has come of a line so far, NUL-terminated */
    size_t size;
    char last[EXEC_MESSAGE_BYTES]; /* the last whole line of this run; "": none */
    int64_t minute_us;             /* monotonic: when this minute began */
    size_t said;                   /* in this minute */
    uint64_t unsaid;
};

/* A run begins: no last words yet. */
void exec_messages_begin(struct exec_messages *messages);
/* Reads once from fd, which does not block. False: nothing to read now, or the end. */
bool exec_messages_read(struct exec_messages *messages, int fd);
/* The run has ended: what is left is a line. */
void exec_messages_end(struct exec_messages *messages);

#endif
