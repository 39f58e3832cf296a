#include "common/net/http_chain.h"

void http_chain_add(struct http_chain *chain, struct http_link *link, void *owner)
{
    if (link->chain != NULL)
        return;
    *link = (struct http_link){.previous = chain->last, .chain = chain, .owner = owner};
    *(chain->last != NULL ? &chain->last->next : &chain->first) = link;
    chain->last = link;
    chain->count++;
}

void http_chain_remove(struct http_link *link)
{
    struct http_chain *chain = link->chain;
    if (chain == NULL)
        return;
    *(link->previous != NULL ? &link->previous->next : &chain->first) = link->next;
    *(link->next != NULL ? &link->next->previous : &chain->last) = link->previous;
    link->chain = NULL;
    chain->count--;
}

void *http_chain_first(const struct http_chain *chain)
{
    return chain->first != NULL ? chain->first->owner : NULL;
}
