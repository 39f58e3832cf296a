#include "agent/support_file.h"

#include <errno.h>

#include "common/os/beneath.h"

/* Reads up to size bytes at the place; 0: the file ends there. */
static ssize_t read_at(int fd, char *out, size_t size, int64_t place)
{
    ssize_t got;
    do {
        got = pread(fd, out, size, place);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* What a file begins with whose secrets nobody sees as they stand: file(1) knows them by the same bytes. */
static const struct {
    struct view beginning;
    const char *what;
} opaque[] = {
    {VIEW_LITERAL("\x1f\x8b"), "compressed (gzip)"},
    {VIEW_LITERAL("\x28\xb5\x2f\xfd"), "compressed (zstd)"},
    {VIEW_LITERAL("\xfd"
                  "7zXZ"),
     "compressed (xz)"},
    {VIEW_LITERAL("BZh"), "compressed (bzip2)"},
    {VIEW_LITERAL("\x04\x22\x4d\x18"), "compressed (lz4)"},
    {VIEW_LITERAL("PK\x03\x04"), "compressed (zip)"},
    {VIEW_LITERAL("7z\xbc\xaf"), "compressed (7z)"},
    {VIEW_LITERAL("\xff\xfe"), "text in UTF-16"},
    {VIEW_LITERAL("\xfe\xff"), "text in UTF-16"},
    {VIEW_LITERAL("SQLite format 3"), "a database"},
    {VIEW_LITERAL("\x7f"
                  "ELF"),
     "a program or a core dump"},
};

static bool check_is_plain(int fd, struct error *err)
{
    char beginning[16];
    ssize_t got = read_at(fd, beginning, sizeof(beginning), 0);
    if (got < 0)
        return error_set_errno(err, "read");
    for (size_t i = 0; i < COUNT_OF(opaque); i++) {
        size_t size = opaque[i].beginning.size;
        if ((size_t)got >= size && memcmp(beginning, opaque[i].beginning.data, size) == 0)
            return error_set(err, ERR_INPUT, "left out: it is %s, in which no secret can be hidden",
                             opaque[i].what);
    }
    return true;
}

/* Moves the part's beginning on to that of a line, if one begins in the first window. */
static bool find_line(struct support_file *file, struct error *err)
{
    int64_t place = file->file_bytes - file->given_bytes;
    if (place == 0)
        return true;
    size_t room = file->given_bytes < SUPPORT_WINDOW_BYTES ? (size_t)file->given_bytes : SUPPORT_WINDOW_BYTES;
    ssize_t got = read_at(file->fd, file->window, room, place - 1);
    if (got < 0)
        return error_set_errno(err, "read");
    const char *end = memchr(file->window, '\n', (size_t)got);
    file->begins_in_a_line = end == NULL;
    if (end != NULL)
        file->given_bytes -= end - file->window;
    return true;
}

bool support_file_open(struct support_file *file, int root_fd, const char *name, int64_t max_bytes,
                       struct secret_mask *mask, struct error *err)
{
    struct stat about;
    file->fd = file_open_beneath(root_fd, name, &about, err);
    if (file->fd < 0)
        return false;
    file->mask = mask;
    file->file_bytes = about.st_size;
    file->given_bytes = about.st_size < max_bytes ? about.st_size : max_bytes;
    file->mtime_s = about.st_mtime;
    file->hidden = file->blank_bytes = 0;
    file->window_bytes = file->ready_bytes = 0;
    file->begins_in_a_line = false;
    file->read_errno = 0;
    secret_mask_begin(mask);
    if (!check_is_plain(file->fd, err) || !find_line(file, err)) {
        error_wrap(err, "%s", name);
        support_file_close(file);
        return false;
    }
    file->unread = file->given_bytes;
    return true;
}

/* Fills the window behind what is in it. What cannot be read is blank: the rest of the bundle is worth
 * having. */
static void fill(struct support_file *file)
{
    size_t room = sizeof(file->window) - file->window_bytes;
    if ((uint64_t)file->unread < room)
        room = (size_t)file->unread;
    char *out = file->window + file->window_bytes;
    ssize_t got = read_at(file->fd, out, room, file->file_bytes - file->unread);
    if (got <= 0) {
        file->read_errno = got < 0 ? errno : file->read_errno;
        memset(out, '\n', room);
        file->blank_bytes += (int64_t)room;
        got = (ssize_t)room;
    }
    file->window_bytes += (size_t)got;
    file->unread -= got;
}

/* How much of the window may go: all at the end, else up to the last line's end; of one long line all but
 * what may be a secret's beginning. 0: more is needed. */
static size_t going_bytes(const struct support_file *file)
{
    if (file->unread == 0)
        return file->window_bytes;
    const char *end = memrchr(file->window, '\n', file->window_bytes);
    if (end != NULL)
        return (size_t)(end - file->window) + 1;
    return file->window_bytes < sizeof(file->window) ? 0 : sizeof(file->window) - SUPPORT_OVERLAP_BYTES;
}

/* The first word of a part that begins in a line may be a secret's end. */
static void hide_beginning(struct support_file *file)
{
    size_t size = file->window_bytes < MASK_SECRET_MAX_BYTES ? file->window_bytes : MASK_SECRET_MAX_BYTES;
    memset(file->window, '*', size);
    file->begins_in_a_line = false;
}

struct view support_file_next(struct support_file *file)
{
    memmove(file->window, file->window + file->ready_bytes, file->window_bytes - file->ready_bytes);
    file->window_bytes -= file->ready_bytes;
    file->ready_bytes = 0;
    while (file->unread > 0 && file->ready_bytes == 0) {
        fill(file);
        file->ready_bytes = going_bytes(file);
    }
    if (file->unread == 0)
        file->ready_bytes = file->window_bytes;
    if (file->begins_in_a_line)
        hide_beginning(file);
    size_t looked_at = file->ready_bytes;
    if (looked_at > 0 && file->window[looked_at - 1] != '\n')
        looked_at = file->window_bytes;
    file->hidden += (int64_t)secret_mask_text(file->mask, file->window, looked_at);
    return (struct view){file->window, file->ready_bytes};
}

void support_file_close(struct support_file *file)
{
    scope_fd(&file->fd);
    file->fd = -1;
}
