/* One plain email as RFC 5322 wants it, from texts that may hold anything: nothing in a subject or a body can
 * become a header. Knows nothing of how it is sent. Threads: safe. */
#ifndef COMMON_NET_MAIL_MESSAGE_H
#define COMMON_NET_MAIL_MESSAGE_H

#include <stdint.h>

#include "common/base/buf.h"

enum {
    MAIL_ADDRESS_MAX_BYTES = 254, /* RFC 5321, section 4.5.3.1.3 */
    MAIL_SUBJECT_MAX_BYTES = 512, /* what is longer is cut */
    MAIL_BODY_MAX_BYTES = 64 * 1024,
    MAIL_MAX_BYTES = 128 * 1024, /* of a whole message */
};

struct mail {
    const char *from, *to;  /* mail_address_ok, borrowed as all here */
    const char *subject;    /* UTF-8, one line: control characters become `?` */
    struct view body;       /* UTF-8, lines end in \n */
    const char *message_id; /* without its < >: "notice.1@example.org", mail_address_ok */
    int64_t utc_us;         /* for Date */
};

/* name@host as most have it: no quotes, no comments, no address literals, ASCII. */
bool mail_address_ok(struct view address) MUST_USE;

/* Appends headers and body with CRLF. out: MAIL_MAX_BYTES are enough. Errors: ERR_INPUT (addresses, body too
 * long or no UTF-8), ERR_MEMORY. */
bool mail_write(const struct mail *mail, struct buf *out, struct error *err) MUST_USE;

#endif
