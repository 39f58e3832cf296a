/* The channels of one import, numbered from 0 in the order in which they first came. Guesses that they come
 * in the same order round after round, so that most look-ups compare one name. Threads: one looks up; another
 * may read the names of indexes that it was handed under a lock, for they never change. */
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

/* The index of a name, a new one when it comes for the first time. name: at most RECORD_CHANNEL_BYTES - 1
 * bytes. Errors: ERR_INPUT (more than CHANNEL_CACHE_MAX). */
bool channel_cache_index(struct channel_cache *cache, struct view name, int32_t *index,
                         struct error *err) MUST_USE;

int32_t channel_cache_count(const struct channel_cache *cache);
struct view channel_cache_name(const struct channel_cache *cache, int32_t index);

#endif
