/* The fields of a request's head, where one look-up by name is not enough. */
#include <string.h>
#include <strings.h>

#include "common/base/text.h"
#include "common/net/http_internal.h"

/* ---- one alone ---- */

struct search {
    const char *name;
    struct view value;
    size_t count;
};

static enum MHD_Result take_if_named(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_size, const char *value, size_t value_size)
{
    struct search *search = context;
    (void)kind;
    if (strlen(search->name) != name_size || strncasecmp(search->name, name, name_size) != 0)
        return MHD_YES;
    search->value = (struct view){value != NULL ? value : "", value != NULL ? value_size : 0};
    search->count++;
    return MHD_YES;
}

bool http_header_once(struct http_request *request, const char *name, struct view *out)
{
    struct search search = {.name = name};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, take_if_named, &search);
    *out = text_trim(search.value);
    return search.count <= 1;
}

/* ---- NUL ---- */

/* libmicrohttpd 0.9.75 takes a NUL for the end of a value, and what follows is never seen. Its values lie in
 * the head as it came, line ends made NULs: between them there is nothing but these and blanks. */
struct walk {
    const char *begin, *end; /* of the head */
    const char *from; /* the end of the value before; NULL: none yet, or it lies elsewhere (it was folded) */
    bool hidden;      /* something was found that belongs to no field */
};

static void look_between(struct walk *walk, const char *to)
{
    static const char fillers[] = {'\0', ' ', '\t', '\r', '\n'};
    for (const char *at = walk->from; at != NULL && at < to && to <= walk->end; at++)
        walk->hidden = walk->hidden || memchr(fillers, *at, sizeof(fillers)) == NULL;
}

static enum MHD_Result look_at_field(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_size, const char *value, size_t value_size)
{
    struct walk *walk = context;
    (void)kind;
    (void)name_size;
    look_between(walk, name);
    bool inside = value != NULL && value >= walk->begin && value + value_size <= walk->end;
    walk->from = inside ? value + value_size : NULL;
    return MHD_YES;
}

bool http_fields_hide_something(struct http_request *request)
{
    const union MHD_ConnectionInfo *head =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (head == NULL)
        return false;
    struct walk walk = {.begin = request->method, .end = request->method + head->header_size};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look_at_field, &walk);
    look_between(&walk, walk.end);
    return walk.hidden;
}
