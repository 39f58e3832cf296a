/* One notice to one person, and the ways it can go: email, webhook, Telegram. A way knows nothing of queues.
 * Threads: a way that was opened belongs to one thread. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_NOTICE_H
#define SERVER_TOOLS_SYNC_SERVICE_NOTICE_H

#include "common/base/clock.h"
#include "server_tools/sync_service/metrics.h"
#include "server_tools/sync_service/settings.h"

enum { NOTICE_ID_BYTES = 64 };

/* Texts are borrowed. */
struct notice {
    int64_t notice_id;
    int64_t created_us;
    const char *target;                         /* email address, URL, chat id */
    const char *secret;                         /* of a webhook; "": none */
    const char *kind;                           /* silent, returned, alarm, resolved, rollout, flood, test */
    const char *severity, *client_id, *vehicle; /* NULL: none */
    const char *subject, *body;
    bool unsure; /* a service died while it was sending this one: it may come a second time */
};
/* The same for every attempt: what a receiver can tell a second one by. */
void notice_key(const struct notice *notice, char out[NOTICE_ID_BYTES]);

enum notice_outcome {
    NOTICE_SENT,
    NOTICE_LATER,   /* this target cannot take it now */
    NOTICE_REFUSED, /* for good */
    NOTICE_AWAY,    /* the way itself cannot: no mail server, a wrong token. Nothing else goes now either */
};

struct notice_way {
    const char *channel; /* as in notice_rules */
    size_t senders;      /* threads that send this way at a time: NOTICE_SENDERS_MAX at most */
    enum metric sent, refused;
    /* NULL: it can be used; else why not, for people. */
    const char *(*missing)(const struct sync_settings *settings);
    /* Errors: ERR_USAGE (settings), ERR_MEMORY. settings: borrowed until closed. */
    void *(*open)(const struct sync_settings *settings, const struct clock *clock, struct error *err);
    void (*close)(void *way); /* NULL is fine */
    /* Whether it can be a target of this way at all, when a rule is made. Errors: ERR_USAGE. */
    bool (*check)(const struct sync_settings *settings, const char *target, struct error *err);
    /* err: why it was not sent; never a secret. Comes back within half a minute. */
    enum notice_outcome (*send)(void *way, const struct notice *notice, struct error *err);
    void (*rest)(void *way); /* there is nothing to send for now: ends connections */
};
enum { NOTICE_WAYS = 3, NOTICE_SENDERS_MAX = 4 };
extern const struct notice_way notice_email, notice_webhook, notice_telegram; /* one file each */
extern const struct notice_way *const notice_ways[NOTICE_WAYS];
/* It goes into a path. */
bool notice_telegram_token_ok(const char *token);
/* NULL when there is none of that name. */
const struct notice_way *notice_way_find(const char *channel);

#endif
