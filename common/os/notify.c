#include "common/os/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/scope.h"
#include "common/base/text.h"

enum {
    RECEIVE_TRIES = 64, /* messages without a sender that one call passes over */
    CONTROL_FDS_MAX = 16,
    CONTROL_BYTES = CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int)),
};

/* ---- sending ------------------------------------------------------------------------------------------- */

/* "/path" or "@abstract" (its first byte is NUL). The size of the address, 0 when it is neither or too long.
 */
static socklen_t make_address(const char *name, struct sockaddr_un *out)
{
    size_t size = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || size < 2 || size >= sizeof(out->sun_path))
        return 0;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, name, size);
    bool is_abstract = name[0] == '@';
    if (is_abstract)
        out->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (is_abstract ? 0 : 1));
}

bool notify_send(const char *message)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL || name[0] == '\0')
        return true;
    struct sockaddr_un address;
    socklen_t size = make_address(name, &address);
    if (size == 0)
        return false;
    SCOPE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    return sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&address, size) >= 0;
}

int64_t notify_beat_period_ms(void)
{
    const char *period = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t period_us;
    uint64_t meant_pid;
    if (period == NULL || !text_parse_u64(view_of(period), INT64_MAX, &period_us) || period_us == 0)
        return 0;
    if (pid != NULL &&
        (!text_parse_u64(view_of(pid), INT64_MAX, &meant_pid) || meant_pid != (uint64_t)getpid()))
        return 0;
    int64_t half_ms = (int64_t)(period_us / 2 / US_PER_MS);
    return half_ms > 0 ? half_ms : 1;
}

/* ---- receiving ----------------------------------------------------------------------------------------- */

static bool remove_stale(const char *path, struct error *err)
{
    struct stat about;
    if (lstat(path, &about) < 0)
        return errno == ENOENT || error_set_errno(err, "%s", path);
    if (!S_ISSOCK(about.st_mode))
        return error_set(err, ERR_EXISTS, "%s is there and no socket", path);
    if (unlink(path) < 0)
        return error_set_errno(err, "remove %s", path);
    return true;
}

int notify_listen(const char *path, mode_t mode, struct error *err)
{
    struct sockaddr_un address;
    socklen_t size = make_address(path, &address);
    if (size == 0 || path[0] != '/') {
        error_set(err, ERR_LIMIT, "%s: the path of a socket is absolute and at most %zu bytes long", path,
                  sizeof(address.sun_path) - 1);
        return -1;
    }
    if (!remove_stale(path, err))
        return -1;
    SCOPE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, size) < 0 || chmod(path, mode) < 0) {
        error_set_errno(err, "%s", path);
        return -1;
    }
    return fd_take(&fd);
}

/* The sender as the kernel attests it, 0 when it does not. Descriptors that came along are closed: nobody
 * asked for them, and they would fill our table. */
static pid_t take_control(struct msghdr *header)
{
    pid_t sender = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET)
            continue;
        size_t size = part->cmsg_len - CMSG_LEN(0);
        if (part->cmsg_type == SCM_CREDENTIALS && size == sizeof(struct ucred)) {
            struct ucred credentials;
            memcpy(&credentials, CMSG_DATA(part), sizeof(credentials));
            sender = credentials.pid;
        }
        for (size_t at = 0; part->cmsg_type == SCM_RIGHTS && at + sizeof(int) <= size; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
            close(fd);
        }
    }
    return sender;
}

/* One datagram. False: there is none. out->sender 0: it is not to be used. */
static bool receive_one(int fd, struct notify_message *out)
{
    _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
    struct iovec into = {out->text, sizeof(out->text) - 1};
    struct msghdr header = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t size;
    do {
        size = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return false;
    out->text[size] = '\0';
    out->sender = take_control(&header);
    if ((header.msg_flags & MSG_TRUNC) != 0)
        out->sender = 0;
    return true;
}

bool notify_receive(int fd, struct notify_message *out)
{
    for (int i = 0; i < RECEIVE_TRIES; i++) {
        struct notify_message message;
        if (!receive_one(fd, &message))
            return false;
        if (message.sender > 0) {
            *out = message;
            return true;
        }
    }
    return false;
}

/* What stands behind `prefix` in the first line that begins with it. */
static bool find_line(const struct notify_message *message, const char *prefix, struct view *behind)
{
    struct view rest = view_of(message->text);
    while (rest.size > 0) {
        struct view line = text_cut(&rest, '\n');
        if (!view_starts(line, prefix))
            continue;
        size_t size = strlen(prefix);
        *behind = (struct view){line.data + size, line.size - size};
        return true;
    }
    return false;
}

bool notify_has(const struct notify_message *message, const char *line)
{
    struct view rest = view_of(message->text);
    while (rest.size > 0) {
        if (view_is(text_cut(&rest, '\n'), line))
            return true;
    }
    return false;
}

bool notify_value(const struct notify_message *message, const char *key, char *out, size_t out_bytes)
{
    char prefix[NOTIFY_MESSAGE_BYTES];
    struct view value;
    int size = snprintf(prefix, sizeof(prefix), "%s=", key);
    if (size < 0 || (size_t)size >= sizeof(prefix) || out_bytes == 0 || !find_line(message, prefix, &value))
        return false;
    snprintf(out, out_bytes, "%.*s", VIEW_ARG(value));
    return true;
}
