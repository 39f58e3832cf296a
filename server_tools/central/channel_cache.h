/* Names of channels and their ids within one import. Guesses that channels come in the same order round after
 * round, so that most look-ups compare one name. Threads: one at a time. */
#ifndef SERVER_TOOLS_CENTRAL_CHANNEL_CACHE_H
#define SERVER_TOOLS_CENTRAL_CHANNEL_CACHE_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum { CHANNEL_CACHE_MAX = 10000 }; /* as many as a machine's store has */

struct channel_cache;

struct channel_cache *channel_cache_new(struct error *err) MUST_USE;
void channel_cache_free(struct channel_cache *cache); /* NULL is fine */
static inline void scope_channel_cache(struct channel_cache **cache)
{
    channel_cache_free(*cache);
}
#define SCOPE_CHANNEL_CACHE SCOPE(scope_channel_cache)

/* False when it is not known yet. name: at most RECORD_CHANNEL_BYTES - 1 bytes. */
bool channel_cache_find(struct channel_cache *cache, struct view name, int32_t *id);
/* Errors: ERR_INPUT (more than CHANNEL_CACHE_MAX). */
bool channel_cache_add(struct channel_cache *cache, struct view name, int32_t id, struct error *err) MUST_USE;

#endif
