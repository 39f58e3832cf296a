/* Addresses that people have typed, taken apart as libcurl takes them: what is checked here is what is gone
 * to. Inside and outside common/net. Threads: safe. */
#ifndef COMMON_NET_WEB_URL_H
#define COMMON_NET_WEB_URL_H

#include "common/base/error.h"

enum { WEB_URL_MAX_BYTES = 2000 };

/* schemes: those that are taken, separated by "|": "https" or "smtp|smtps". A host is needed; a user or a
 * password in it is refused, since addresses are shown and logged. Errors: ERR_USAGE. */
bool web_url_check(const char *url, const char *schemes, struct error *err) MUST_USE;

/* The same for one that carries a secret: https, or http to this very machine. */
bool web_url_check_secret(const char *url, struct error *err) MUST_USE;

/* The host of one that was checked, without brackets; "" when it does not fit. For messages: a path may hold
 * a secret. */
void web_url_host(const char *url, char *out, size_t out_bytes);

/* host: as web_url_host has it; whether it can be no other machine. */
bool web_host_is_loopback(const char *host);

#endif
