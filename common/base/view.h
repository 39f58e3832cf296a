/* A borrowed piece of bytes: text that somebody else owns and that need not end in NUL. */
#ifndef COMMON_BASE_VIEW_H
#define COMMON_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct view {
    const char *data;
    size_t size;
};

#define VIEW_LITERAL(text) ((struct view){(text), sizeof(text) - 1})
/* printf("%.*s", VIEW_ARG(view)) */
#define VIEW_ARG(view) (int)(view).size, (view).data

/* text: NUL-terminated, borrowed; NULL makes an empty view. */
static inline struct view view_of(const char *text)
{
    return (struct view){text, text == NULL ? 0 : strlen(text)};
}

static inline bool view_equal(struct view a, struct view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool view_is(struct view view, const char *text)
{
    return view_equal(view, view_of(text));
}

static inline bool view_starts(struct view view, const char *prefix)
{
    size_t size = strlen(prefix);
    return view.size >= size && memcmp(view.data, prefix, size) == 0;
}

static inline bool view_ends(struct view view, const char *ending)
{
    size_t size = strlen(ending);
    if (view.data == NULL || view.size < size)
        return size == 0;
    return memcmp(view.data + view.size - size, ending, size) == 0;
}

#endif
