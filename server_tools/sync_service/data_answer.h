/* Reads an answer of the Outbound API's /data while it comes: members in any order, any spacing, pieces cut
 * anywhere. Rows in the agent's own spelling are read fast, any other spelling strictly. Memory is bounded: a
 * member is at most DATA_ANSWER_ITEM_BYTES, rows are at most DATA_ANSWER_MAX_ROWS. Refused besides what is no
 * JSON: rows outside the window, times that step back, a count that is not the rows', another window than
 * was asked for, bytes behind the answer. Knows nothing of channels or of HTTP. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_DATA_ANSWER_H
#define SERVER_TOOLS_SYNC_SERVICE_DATA_ANSWER_H

#include "server_tools/central/central.h"
#include "server_tools/sync_service/windows.h"

enum {
    DATA_ANSWER_MAX_ROWS = 100000, /* the contract's */
    DATA_ANSWER_ITEM_BYTES = 1024, /* one row, one other member's name or value */
};

struct data_answer;
struct data_answer *data_answer_new(struct window asked, struct error *err) MUST_USE;
void data_answer_free(struct data_answer *answer); /* NULL is fine */

/* The next piece of the body. False: nothing more is taken. Errors: ERR_PROTOCOL (with what is wrong, and
 * where), ERR_LIMIT (too many rows), ERR_MEMORY. */
bool data_answer_feed(struct data_answer *answer, struct view piece, struct error *err) MUST_USE;
/* The body is over. Errors: ERR_PROTOCOL (it is not whole; the count differs). */
bool data_answer_end(struct data_answer *answer, struct error *err) MUST_USE;

/* The vehicle has said that this is not all: known as soon as that member has come. */
bool data_answer_truncated(const struct data_answer *answer);
size_t data_answer_row_count(const struct data_answer *answer);
const struct central_row *data_answer_rows(const struct data_answer *answer); /* so many; NULL: none */
/* The rows, in the order of time; channel_id is the vehicle's number. malloc'ed, the caller's now; NULL when
 * there are none. */
struct central_row *data_answer_take_rows(struct data_answer *answer, size_t *count);

#endif
