#include "agent/outbound_list.h"

#include <stdlib.h>

struct outbound_list {
    struct line_source source;
    struct outbound_items *items; /* NULL: the head is all */
    bool begun;                   /* the head is out */
    bool comma;                   /* an item is out */
    bool ended;
    size_t head_size;
    char head[OUTBOUND_HEAD_MAX_BYTES];
};

static const char tail[] = "]}\n";
enum { TAIL_BYTES = sizeof(tail) - 1 };

/* An item with its comma, or the end. */
static bool write_next(struct outbound_list *list, char *out, size_t *used, struct error *err)
{
    char *at = out + *used;
    size_t comma = list->comma ? 1 : 0;
    size_t size = 0;
    *at = ',';
    if (!list->items->kind->write(list->items, at + comma, &size, err))
        return false;
    list->comma = true;
    list->ended = size == 0;
    if (list->ended)
        memcpy(at, tail, TAIL_BYTES);
    *used += list->ended ? TAIL_BYTES : comma + size;
    return true;
}

static bool read_list(struct line_source *source, char *out, size_t out_bytes, size_t *size,
                      struct error *err)
{
    struct outbound_list *list = (struct outbound_list *)source;
    size_t used = 0;
    if (!list->begun) {
        memcpy(out, list->head, list->head_size);
        used = list->head_size;
        list->begun = true;
        list->ended = list->items == NULL;
    }
    while (!list->ended && used + 1 + OUTBOUND_ITEM_MAX_BYTES <= out_bytes) {
        if (!write_next(list, out, &used, err))
            return false;
    }
    *size = used;
    return true;
}

static void free_items(struct outbound_items *items)
{
    if (items != NULL)
        items->kind->free(items);
}

static void free_list(struct line_source *source)
{
    struct outbound_list *list = (struct outbound_list *)source;
    free_items(list->items);
    free(list);
}

static const struct line_source_kind list_kind = {.read = read_list, .free = free_list};

struct line_source *outbound_list_new(struct view head, struct outbound_items *items, struct error *err)
{
    struct outbound_list *list = NULL;
    if (head.size <= sizeof(list->head))
        list = calloc(1, sizeof(*list));
    if (list == NULL) {
        free_items(items);
        error_set(err, head.size <= sizeof(list->head) ? ERR_MEMORY : ERR_LIMIT, "an answer");
        return NULL;
    }
    list->source.kind = &list_kind;
    list->items = items;
    list->head_size = head.size;
    memcpy(list->head, head.data, head.size);
    return &list->source;
}
