#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "common/os/beneath.h"
#include "updater/pending_files.h"

enum {
    HISTORY_LINE_MAX_BYTES = 8 * 1024,
    HISTORY_READ_MAX_BYTES = 1024 * 1024, /* from the end */
};

/* ---- adding ---- */

void update_history_write(struct json_writer *writer, const struct history_entry *entry)
{
    json_object(writer, NULL);
    json_time_us(writer, "time", entry->time_us);
    json_string(writer, "event", entry->event);
    json_string(writer, "version", entry->version);
    json_string(writer, "previous", entry->previous);
    json_string(writer, "by", entry->by);
    json_string(writer, "reason", entry->reason);
    json_string(writer, "text", entry->text);
    json_end_object(writer);
}

static void write_line(const struct history_entry *entry, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    update_history_write(&writer, entry);
    buf_append_byte(out, '\n');
}

/* Made by root, it becomes the folder's owner's, who adds to it, too. */
static int open_history(int folder, struct error *err)
{
    int flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    SCOPE_FD int fd = openat(folder, "history.jsonl", flags, PENDING_FILE_MODE);
    struct stat about;
    struct stat owner;
    if (fd < 0 || fstat(fd, &about) != 0 || fstat(folder, &owner) != 0)
        return error_set_errno(err, "history.jsonl") ? 0 : -1;
    if (!S_ISREG(about.st_mode) || about.st_nlink != 1)
        return error_set(err, ERR_INPUT, "history.jsonl is no file of ours") ? 0 : -1;
    if (about.st_uid != owner.st_uid && geteuid() == 0 && fchown(fd, owner.st_uid, owner.st_gid) != 0)
        return error_set_errno(err, "chown of history.jsonl") ? 0 : -1;
    return fd_take(&fd);
}

/* A line that a power cut tore ends where the next one begins. */
static bool end_torn_line(int fd, struct buf *out)
{
    struct stat about;
    char last;
    if (fstat(fd, &about) != 0 || about.st_size == 0 || pread(fd, &last, 1, about.st_size - 1) != 1)
        return true;
    return last == '\n' || buf_append_byte(out, '\n');
}

bool update_history_add(const char *root, const struct history_entry *entry, struct error *err)
{
    SCOPE_FD int folder = pending_folder_open(root, err);
    if (folder < 0)
        return false;
    SCOPE_FD int fd = open_history(folder, err);
    SCOPE_BUF struct buf line = BUF_LIMIT(HISTORY_LINE_MAX_BYTES);
    if (fd < 0)
        return false;
    end_torn_line(fd, &line);
    write_line(entry, &line);
    if (!buf_check(&line, "history.jsonl", err) || !file_write_all(fd, line.data, line.size, err))
        return error_wrap(err, "history.jsonl");
    return (fsync(fd) == 0 && fsync(folder) == 0) || error_set_errno(err, "fsync of history.jsonl");
}

/* ---- reading ---- */

static bool get(struct json_value object, const char *key, char *out, size_t out_bytes)
{
    if (!json_get_string(json_member(object, key), out, out_bytes))
        return false;
    text_make_printable(out);
    return true;
}

static bool read_line(struct view line, struct history_entry *out)
{
    SCOPE_JSON struct json *json = json_parse(line, HISTORY_LINE_MAX_BYTES, NULL);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct history_entry entry;
    char time[RFC3339_US_BYTES];
    if (!get(root, "time", time, sizeof(time)) || !rfc3339_parse_us(view_of(time), &entry.time_us) ||
        !get(root, "event", entry.event, sizeof(entry.event)) ||
        !get(root, "version", entry.version, sizeof(entry.version)) ||
        !get(root, "previous", entry.previous, sizeof(entry.previous)) ||
        !get(root, "by", entry.by, sizeof(entry.by)) ||
        !get(root, "reason", entry.reason, sizeof(entry.reason)) ||
        !get(root, "text", entry.text, sizeof(entry.text)))
        return false;
    *out = entry;
    return true;
}

/* Cuts the last line off. */
static struct view last_line(struct view *text)
{
    size_t end = text->size;
    if (end > 0 && text->data[end - 1] == '\n')
        end--;
    size_t start = end;
    while (start > 0 && text->data[start - 1] != '\n')
        start--;
    struct view line = {text->data + start, end - start};
    text->size = start;
    return line;
}

bool update_history_read(const char *root, struct history_entry *out, size_t limit, size_t *count,
                         struct error *err)
{
    SCOPE_FD int folder = pending_folder_open(root, err);
    if (folder < 0)
        return false;
    struct stat about;
    struct error cause = {.code = ERR_NONE};
    *count = 0;
    SCOPE_FD int fd = file_open_beneath(folder, "history.jsonl", &about, &cause);
    if (fd < 0 && cause.code == ERR_NOT_FOUND)
        return true;
    if (fd < 0)
        return error_set(err, cause.code, "%s", cause.text);
    SCOPE_BUF struct buf text = BUF_LIMIT(HISTORY_READ_MAX_BYTES + HISTORY_LINE_MAX_BYTES);
    off_t from = about.st_size > HISTORY_READ_MAX_BYTES ? about.st_size - HISTORY_READ_MAX_BYTES : 0;
    if (lseek(fd, from, SEEK_SET) < 0)
        return error_set_errno(err, "history.jsonl");
    if (!file_read_all(fd, &text, err))
        return error_wrap(err, "history.jsonl");
    for (struct view left = buf_view(&text); left.size > 0 && *count < limit;) {
        struct view line = last_line(&left);
        if (read_line(line, &out[*count]))
            ++*count;
    }
    return true;
}
