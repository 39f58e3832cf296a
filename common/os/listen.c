#include "common/os/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/scope.h"
#include "common/base/text.h"

enum { LISTEN_BACKLOG = 511 };

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Returns the address's size; 0: the text is none. */
static socklen_t parse_address(union any_address *out, const char *text, uint16_t port)
{
    *out = (union any_address){0};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof(out->v4);
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return sizeof(out->v6);
    }
    return 0;
}

int listen_tcp(const char *text, uint16_t port, struct error *err)
{
    static const int on = 1, off = 0;
    union any_address address;
    socklen_t size = parse_address(&address, text, port);
    if (size == 0) {
        error_set(err, ERR_USAGE, "%s is not an IPv4 or IPv6 address", text);
        return -1;
    }
    SCOPE_FD int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address.any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(fd, &address.any, size) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        error_set_errno(err, "cannot listen on %s port %u", text, (unsigned)port);
        return -1;
    }
    return fd_take(&fd);
}

bool listen_port(int fd, uint16_t *out, struct error *err)
{
    union any_address address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(fd, &address.any, &size) != 0)
        return error_set_errno(err, "cannot read the port that is listened on");
    *out = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return true;
}

bool listen_is_loopback(const char *text)
{
    union any_address address;
    if (parse_address(&address, text, 0) == 0)
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

/* ---- Unix ---- */

/* Whether somebody accepts connections there. */
static bool is_alive(const struct sockaddr_un *address)
{
    SCOPE_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    /* a full backlog (EAGAIN) is somebody's too */
    return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED;
}

static bool remove_stale(const struct sockaddr_un *address, struct error *err)
{
    const char *path = address->sun_path;
    struct stat about;
    if (lstat(path, &about) < 0)
        return errno == ENOENT || error_set_errno(err, "%s", path);
    if (!S_ISSOCK(about.st_mode))
        return error_set(err, ERR_EXISTS, "%s is there and no socket", path);
    if (is_alive(address))
        return error_set(err, ERR_BUSY, "%s: another program listens there", path);
    return unlink(path) == 0 || error_set_errno(err, "remove %s", path);
}

static bool bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
    mode_t before = umask(~mode & (S_IRWXU | S_IRWXG | S_IRWXO));
    bool ok = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
    int number = errno;
    umask(before);
    errno = number;
    return ok;
}

int listen_unix(const char *path, mode_t mode, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!text_copy(address.sun_path, sizeof(address.sun_path), view_of(path))) {
        error_set(err, ERR_LIMIT, "%s: the path of a socket has at most %zu bytes", path,
                  sizeof(address.sun_path) - 1);
        return -1;
    }
    if (!remove_stale(&address, err))
        return -1;
    SCOPE_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !bind_with_mode(fd, &address, mode) || listen(fd, LISTEN_BACKLOG) != 0) {
        error_set_errno(err, "cannot listen at %s", path);
        return -1;
    }
    return fd_take(&fd);
}
