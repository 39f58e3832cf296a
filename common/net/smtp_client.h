/* Sends emails to one mail server (RFC 5321) with libcurl: STARTTLS where it is offered, TLS from the start
 * for smtps://, real certificates, one connection for several. Knows nothing of queues. Threads: one at a
 * time. Call http_client_global_init once, before any thread starts. */
#ifndef COMMON_NET_SMTP_CLIENT_H
#define COMMON_NET_SMTP_CLIENT_H

#include "common/net/mail_message.h"

enum { SMTP_CONNECT_MS = 10 * 1000, SMTP_TOTAL_MS = 30 * 1000, SMTP_QUIT_MS = 2 * 1000 };

struct smtp_client;

struct smtp_config {
    const char *url;             /* smtp://host:25, smtps://host:465; borrowed, as all here */
    const char *user, *password; /* user "": nobody logs in. With one TLS is a must, but for loopback */
    const char *ca_file;         /* PEM; "": the system's */
    int connect_ms, total_ms;    /* 0: the default; total_ms is of one email, the connection included */
};
/* Connects with the first email. Errors: ERR_USAGE (the address), ERR_MEMORY. */
struct smtp_client *smtp_client_new(const struct smtp_config *config, struct error *err) MUST_USE;
void smtp_client_free(struct smtp_client *client); /* NULL is fine */
/* Ends the connection politely; the next email makes a new one. */
void smtp_client_rest(struct smtp_client *client);

/* True: the server has taken it, and answers for it from now on. *reply: the last code that the server has
 * said, 0: none. Errors: ERR_INPUT (mail_write), ERR_UNREACHABLE, ERR_TIMEOUT, ERR_DENIED (log-in, or TLS
 * that is a must), ERR_PROTOCOL (the server refused: 4xx for now, 5xx for good; the text has its words),
 * ERR_MEMORY. After ERR_TIMEOUT or ERR_UNREACHABLE behind the last byte nobody knows whether it was taken. */
bool smtp_client_send(struct smtp_client *client, const struct mail *mail, long *reply,
                      struct error *err) MUST_USE;

#endif
