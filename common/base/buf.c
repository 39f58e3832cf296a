#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_CAPACITY_BYTES = 256 };

void buf_clear(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.limit_bytes = buf->limit_bytes};
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->over_limit = false;
    buf->no_memory = false;
}

/* Makes room for `more` bytes and a final NUL that is not counted. */
static bool buf_grow(struct buf *buf, size_t more)
{
    if (buf->over_limit || buf->no_memory)
        return false;
    if (more > buf->limit_bytes || buf->size > buf->limit_bytes - more) {
        buf->over_limit = true;
        return false;
    }
    size_t need = buf->size + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity > 0 ? buf->capacity : BUF_FIRST_CAPACITY_BYTES;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->no_memory = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool buf_append(struct buf *buf, const void *data, size_t size)
{
    if (!buf_grow(buf, size))
        return false;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return true;
}

bool buf_append_view(struct buf *buf, struct view view)
{
    return buf_append(buf, view.data, view.size);
}

bool buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_append_byte(struct buf *buf, char byte)
{
    return buf_append(buf, &byte, 1);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !buf_grow(buf, (size_t)size))
        return false;
    va_start(arguments, format);
    vsnprintf(buf->data + buf->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buf->size += (size_t)size;
    return true;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    return buf_grow(buf, size) ? buf->data + buf->size : NULL;
}

void buf_commit(struct buf *buf, size_t size)
{
    buf->size += size;
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size < buf->size)
        memmove(buf->data, buf->data + size, buf->size - size);
    buf->size = size < buf->size ? buf->size - size : 0;
}

struct view buf_view(const struct buf *buf)
{
    return (struct view){buf->data, buf->size};
}

const char *buf_text(struct buf *buf)
{
    if (!buf_grow(buf, 0))
        return "";
    buf->data[buf->size] = '\0';
    return buf->data;
}

bool buf_check(const struct buf *buf, const char *what, struct error *err)
{
    if (buf->over_limit)
        return error_set(err, ERR_LIMIT, "%s is larger than %zu bytes", what, buf->limit_bytes);
    if (buf->no_memory)
        return error_set(err, ERR_MEMORY, "no memory left for %s", what);
    return true;
}
