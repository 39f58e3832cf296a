#include "server_tools/central/channel_cache.h"

#include "common/wire/record.h"

enum { SLOTS = 1 << 15 }; /* a power of two, three times CHANNEL_CACHE_MAX */

struct channel {
    char name[RECORD_CHANNEL_BYTES];
    uint8_t name_bytes;
    uint16_t next; /* the channel that came after this one the last time */
};

struct channel_cache {
    uint16_t count;
    uint16_t last;         /* the channel found last */
    uint16_t slots[SLOTS]; /* index + 1; 0: free */
    struct channel channels[CHANNEL_CACHE_MAX];
};

struct channel_cache *channel_cache_new(struct error *err)
{
    struct channel_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        error_set(err, ERR_MEMORY, "no memory left for the names of channels");
    return cache;
}

void channel_cache_free(struct channel_cache *cache)
{
    free(cache);
}

/* FNV-1a (Fowler, Noll, Vo), 32 bits. */
static uint32_t hash_of(struct view name)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 16777619U;
    return hash ^ hash >> 15;
}

static bool is_named(const struct channel *channel, struct view name)
{
    return channel->name_bytes == name.size && memcmp(channel->name, name.data, name.size) == 0;
}

/* The slot that holds the name, or the free one where it belongs. Slots are never all taken. */
static uint16_t *slot_of(struct channel_cache *cache, struct view name)
{
    uint32_t at = hash_of(name);
    for (;; at++) {
        uint16_t *slot = &cache->slots[at % SLOTS];
        if (*slot == 0 || is_named(&cache->channels[*slot - 1], name))
            return slot;
    }
}

static bool add(struct channel_cache *cache, struct view name, uint16_t *slot, struct error *err)
{
    if (cache->count == CHANNEL_CACHE_MAX)
        return error_set(err, ERR_INPUT, "more than %d channels", CHANNEL_CACHE_MAX);
    if (name.size >= RECORD_CHANNEL_BYTES)
        return error_set(err, ERR_INTERNAL, "a channel's name of %zu bytes", name.size);
    struct channel *channel = &cache->channels[cache->count];
    memcpy(channel->name, name.data, name.size);
    channel->name_bytes = (uint8_t)name.size;
    *slot = ++cache->count;
    return true;
}

bool channel_cache_index(struct channel_cache *cache, struct view name, int32_t *index, struct error *err)
{
    uint16_t guess = cache->channels[cache->last].next;
    if (!is_named(&cache->channels[guess], name)) {
        uint16_t *slot = slot_of(cache, name);
        if (*slot == 0 && !add(cache, name, slot, err))
            return false;
        guess = (uint16_t)(*slot - 1);
        cache->channels[cache->last].next = guess;
    }
    cache->last = guess;
    *index = guess;
    return true;
}

int32_t channel_cache_count(const struct channel_cache *cache)
{
    return cache->count;
}

struct view channel_cache_name(const struct channel_cache *cache, int32_t index)
{
    const struct channel *channel = &cache->channels[index];
    return (struct view){channel->name, channel->name_bytes};
}
