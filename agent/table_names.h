/* Names of channels as a table holds them, made fit for a record line and escaped. What is 1 to 127 bytes
 * without control characters stays as it is. Of any other text the first 110 bytes are kept, '?' in place of
 * what may not stand there, with ~ and 16 hex digits of the whole (FNV-1a) behind: so that two names stay
 * two. NULL is (null), an empty text (empty). Threads: one at a time. */
#ifndef AGENT_TABLE_NAMES_H
#define AGENT_TABLE_NAMES_H

#include "common/wire/record.h"

enum { TABLE_NAMES_KEPT = 256 };

struct table_name {
    size_t raw_size; /* 0: nothing is kept here */
    char raw[RECORD_CHANNEL_BYTES];
    bool fitted; /* the name is not as the table holds it */
    size_t size;
    char escaped[2 * RECORD_CHANNEL_BYTES];
};

struct table_names { /* zeroed: empty */
    struct table_name kept[TABLE_NAMES_KEPT];
    struct table_name other; /* one that is not kept */
    int64_t fitted;          /* how often a name was not as the table holds it */
};

/* raw: data NULL is NULL. The answer is valid until the next call. */
struct view table_name_of(struct table_names *names, struct view raw);

#endif
