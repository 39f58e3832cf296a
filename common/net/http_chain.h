/* Lists in order whose members carry the links of them themselves. Inside common/net only. Threads: one at a
 * time. */
#ifndef COMMON_NET_HTTP_CHAIN_H
#define COMMON_NET_HTTP_CHAIN_H

#include <stddef.h>

struct http_chain;

struct http_link {
    struct http_link *next, *previous;
    struct http_chain *chain; /* NULL: in none */
    void *owner;
};

struct http_chain {
    struct http_link *first, *last;
    size_t count;
};

void http_chain_add(struct http_chain *chain, struct http_link *link, void *owner); /* no harm when in one */
void http_chain_remove(struct http_link *link);                                     /* no harm when in none */
void *http_chain_first(const struct http_chain *chain); /* the owner; NULL: empty */

#endif
