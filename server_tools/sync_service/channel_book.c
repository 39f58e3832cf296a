#include "server_tools/sync_service/channel_book.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Entries lie in blocks, each twice as large as the one before it: a small book is small, and none moves. */
enum {
    FIRST_BLOCK = 32, /* entries */
    BLOCKS = 9,       /* 32 * (2^9 - 1) entries, above CHANNEL_BOOK_MAX */
    SLOTS_FIRST = 64, /* of the table that finds them; at most half of them are used */
    NONE = -1,
};

struct entry {
    char *name; /* NULL: by number */
    int32_t remote_id;
    int32_t channel_id;
};

struct channel_book {
    struct entry *blocks[BLOCKS];
    _Atomic int32_t count;
    int32_t *slots; /* indexes; NONE */
    size_t slot_count;
    uint64_t described; /* the writer's */
    int64_t described_us;
};

struct channel_book *channel_book_new(struct error *err)
{
    struct channel_book *book = calloc(1, sizeof(*book));
    if (book == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a vehicle's channels");
    return book;
}

void channel_book_free(struct channel_book *book)
{
    if (book == NULL)
        return;
    for (int32_t i = 0; i < channel_book_count(book); i++)
        free((char *)channel_book_name(book, i).data);
    for (size_t i = 0; i < BLOCKS; i++)
        free(book->blocks[i]);
    free(book->slots);
    free(book);
}

/* ---- where an entry lies ---- */

static size_t block_of(int32_t index, size_t *within)
{
    size_t block = 0;
    size_t size = FIRST_BLOCK;
    size_t rest = (size_t)index;
    for (; rest >= size; size *= 2) {
        rest -= size;
        block++;
    }
    *within = rest;
    return block;
}

static struct entry *entry_at(const struct channel_book *book, int32_t index)
{
    size_t within;
    size_t block = block_of(index, &within);
    return &book->blocks[block][within];
}

/* Room for the entry of this index, which comes next. */
static struct entry *entry_make(struct channel_book *book, int32_t index, struct error *err)
{
    size_t within;
    size_t block = block_of(index, &within);
    if (book->blocks[block] == NULL)
        book->blocks[block] = calloc((size_t)FIRST_BLOCK << block, sizeof(struct entry));
    if (book->blocks[block] != NULL)
        return &book->blocks[block][within];
    error_set(err, ERR_MEMORY, "no memory left for a channel");
    return NULL;
}

/* ---- finding ---- */

/* What is looked for: a name, or a number. FNV-1a (draft-eastlake-fnv-17). */
struct wanted {
    struct view name; /* data NULL: by number */
    int32_t remote_id;
};

static uint64_t hash_of(const struct wanted *wanted)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct view bytes = wanted->name.data != NULL
                            ? wanted->name
                            : (struct view){(const char *)&wanted->remote_id, sizeof(wanted->remote_id)};
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

static struct wanted wanted_of(const struct entry *entry)
{
    return (struct wanted){view_of(entry->name), entry->remote_id};
}

static bool is_wanted(const struct entry *entry, const struct wanted *wanted)
{
    if (wanted->name.data == NULL || entry->name == NULL)
        return wanted->name.data == entry->name && wanted->remote_id == entry->remote_id;
    return view_is(wanted->name, entry->name);
}

/* Its slot, or the free one where it belongs. */
static int32_t *find_slot(const struct channel_book *book, const struct wanted *wanted)
{
    size_t at = hash_of(wanted) & (book->slot_count - 1);
    while (book->slots[at] != NONE && !is_wanted(entry_at(book, book->slots[at]), wanted))
        at = (at + 1) & (book->slot_count - 1);
    return &book->slots[at];
}

/* Twice as many slots as entries, at the least. */
static bool grow_slots(struct channel_book *book, struct error *err)
{
    int32_t count = atomic_load(&book->count);
    if (book->slot_count >= 2 * ((size_t)count + 1))
        return true;
    size_t slot_count = book->slot_count == 0 ? SLOTS_FIRST : 2 * book->slot_count;
    int32_t *slots = malloc(slot_count * sizeof(*slots));
    if (slots == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a vehicle's channels");
    memset(slots, 0xff, slot_count * sizeof(*slots)); /* NONE each */
    free(book->slots);
    book->slots = slots;
    book->slot_count = slot_count;
    for (int32_t i = 0; i < count; i++) {
        struct wanted wanted = wanted_of(entry_at(book, i));
        *find_slot(book, &wanted) = i;
    }
    return true;
}

/* ---- the puller's ---- */

static bool add(struct channel_book *book, const struct wanted *wanted, int32_t *slot, struct error *err)
{
    int32_t index = atomic_load(&book->count);
    if (index >= CHANNEL_BOOK_MAX)
        return error_set(err, ERR_INPUT, "more than %d channels", CHANNEL_BOOK_MAX);
    struct entry *entry = entry_make(book, index, err);
    if (entry == NULL)
        return false;
    char *name = wanted->name.data == NULL ? NULL : strndup(wanted->name.data, wanted->name.size);
    if (wanted->name.data != NULL && name == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a channel");
    *entry = (struct entry){.name = name, .remote_id = wanted->remote_id};
    *slot = index;
    atomic_store(&book->count, index + 1);
    return true;
}

static bool find_or_add(struct channel_book *book, const struct wanted *wanted, int32_t *index,
                        struct error *err)
{
    if (!grow_slots(book, err))
        return false;
    int32_t *slot = find_slot(book, wanted);
    if (*slot == NONE && !add(book, wanted, slot, err))
        return false;
    *index = *slot;
    return true;
}

bool channel_book_by_id(struct channel_book *book, int32_t remote_id, int32_t *index, struct error *err)
{
    const struct wanted wanted = {.remote_id = remote_id};
    return find_or_add(book, &wanted, index, err);
}

bool channel_book_by_name(struct channel_book *book, struct view name, int32_t *index, struct error *err)
{
    const struct wanted wanted = {name, -1};
    if (name.size == 0 || name.size >= CHANNEL_BOOK_NAME_BYTES || memchr(name.data, '\0', name.size) != NULL)
        return error_set(err, ERR_INPUT, "a channel's name of %zu bytes: expected 1 to %d, none of them NUL",
                         name.size, CHANNEL_BOOK_NAME_BYTES - 1);
    return find_or_add(book, &wanted, index, err);
}

bool channel_book_knows_id(const struct channel_book *book, int32_t remote_id)
{
    const struct wanted wanted = {.remote_id = remote_id};
    return book->slot_count > 0 && *find_slot(book, &wanted) != NONE;
}

int32_t channel_book_count(const struct channel_book *book)
{
    return book == NULL ? 0 : atomic_load(&book->count);
}

int32_t channel_book_remote_id(const struct channel_book *book, int32_t index)
{
    return entry_at(book, index)->remote_id;
}

struct view channel_book_name(const struct channel_book *book, int32_t index)
{
    return view_of(entry_at(book, index)->name);
}

/* ---- the writer's ---- */

int32_t channel_book_channel_id(const struct channel_book *book, int32_t index)
{
    return entry_at(book, index)->channel_id;
}

void channel_book_set_channel_id(struct channel_book *book, int32_t index, int32_t channel_id)
{
    entry_at(book, index)->channel_id = channel_id;
}

void channel_book_reset(struct channel_book *book)
{
    int32_t count = channel_book_count(book);
    for (int32_t i = 0; i < count; i++)
        entry_at(book, i)->channel_id = 0;
    channel_book_set_described(book, 0, INT64_MIN);
}

uint64_t channel_book_described(const struct channel_book *book, int64_t *as_of_us)
{
    uint64_t described = book == NULL ? 0 : book->described;
    *as_of_us = described == 0 ? INT64_MIN : book->described_us;
    return described;
}

void channel_book_set_described(struct channel_book *book, uint64_t digest, int64_t as_of_us)
{
    if (book == NULL)
        return;
    book->described = digest;
    book->described_us = as_of_us;
}
