/* The channels of one vehicle, numbered from 0 as they first come: by the machine's number (outbound) or by
 * name (signed). The puller looks up or adds while it parses; the writer keeps each entry's channel_id of the
 * central store beside it. Memory is bounded by CHANNEL_BOOK_MAX. Threads: adding from the loop's thread; an
 * entry's channel_id and placeholder belong to the writer; entries never move. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_CHANNEL_BOOK_H
#define SERVER_TOOLS_SYNC_SERVICE_CHANNEL_BOOK_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum {
    CHANNEL_BOOK_MAX = 10000, /* as many as a machine's store has */
    CHANNEL_BOOK_NAME_BYTES = 128,
};

struct channel_book;

struct channel_book *channel_book_new(struct error *err) MUST_USE;
void channel_book_free(struct channel_book *book); /* NULL is fine */

/* The index; a new one when it comes for the first time. Errors: ERR_INPUT (more than CHANNEL_BOOK_MAX; a
 * name that is empty or too long), ERR_MEMORY. */
bool channel_book_by_id(struct channel_book *book, int32_t remote_id, int32_t *index,
                        struct error *err) MUST_USE;
bool channel_book_by_name(struct channel_book *book, struct view name, int32_t *index,
                          struct error *err) MUST_USE;
/* Whether it has come; none is added. */
bool channel_book_knows_id(const struct channel_book *book, int32_t remote_id);

int32_t channel_book_count(const struct channel_book *book);
int32_t channel_book_remote_id(const struct channel_book *book, int32_t index); /* -1: by name */
struct view channel_book_name(const struct channel_book *book, int32_t index);  /* empty: by number */

/* ---- the writer's: a book that is NULL has no channels and keeps nothing ---- */
int32_t channel_book_channel_id(const struct channel_book *book, int32_t index); /* 0: not looked up yet */
void channel_book_set_channel_id(struct channel_book *book, int32_t index, int32_t channel_id);
/* Every channel_id is looked up again: after a transaction that failed, a new description, another database.
 */
void channel_book_reset(struct channel_book *book);
/* Of the description that was committed last: a digest (0: none) and when. */
uint64_t channel_book_described(const struct channel_book *book, int64_t *as_of_us);
void channel_book_set_described(struct channel_book *book, uint64_t digest, int64_t as_of_us);

#endif
