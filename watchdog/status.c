#include "watchdog/status.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/net/json_writer.h"

enum { STATUS_MODE = 0644 };

static void write_text_or_null(struct json_writer *writer, const char *key, const char *text)
{
    if (text[0] == '\0')
        json_null(writer, key);
    else
        json_string(writer, key, text);
}

static void write_service(struct json_writer *writer, const struct service *service)
{
    json_object(writer, NULL);
    json_string(writer, "name", service->name);
    json_string(writer, "state", supervisor_state_name(service->machine.state));
    if (service->pid > 0)
        json_i64(writer, "pid", service->pid);
    else
        json_null(writer, "pid");
    json_time_us(writer, "since", service->machine.since_utc_us);
    json_u64(writer, "restarts", service->machine.restarts);
    write_text_or_null(writer, "last_exit", service->exit);
    write_text_or_null(writer, "status", service->status);
    json_double(writer, "cpu_percent", service->cpu_percent);
    json_u64(writer, "rss_bytes", service->rss_bytes);
    json_end_object(writer);
}

static void write_all(struct buf *out, const char *version, const struct service_list *services,
                      const struct clock *clock)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_time_us(&writer, "time", clock_utc_us(clock));
    json_i64(&writer, "pid", getpid());
    json_string(&writer, "version", version);
    json_array(&writer, "services");
    for (size_t i = 0; i < services->count; i++)
        write_service(&writer, &services->items[i]);
    json_end_array(&writer);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

/* O_EXCL after removing: nothing that somebody planted under the temporary name is written through. */
static bool replace(const char *path, const char *temporary, struct view content, struct error *err)
{
    if (!file_remove(temporary, err))
        return false;
    SCOPE_FD int fd = file_create(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, STATUS_MODE, err);
    if (fd < 0)
        return false;
    if (!file_write_all(fd, content.data, content.size, err))
        return error_wrap(err, "%s", temporary);
    return rename(temporary, path) == 0 || error_set_errno(err, "rename to %s", path);
}

bool status_write(const char *root, const char *version, const struct service_list *services,
                  const struct clock *clock, struct error *err)
{
    struct path path;
    struct path temporary;
    SCOPE_BUF struct buf text = BUF_LIMIT(STATUS_MAX_BYTES);
    write_all(&text, version, services, clock);
    return buf_check(&text, "the status", err) && path_join(&path, root, "run/status.json", err) &&
           path_join(&temporary, root, "run/.status.json.tmp", err) &&
           replace(path.text, temporary.text, buf_view(&text), err);
}
