#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/scope.h"
#include "common/net/http_internal.h"

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

int http_listen(const char *bind_text, uint16_t port, struct error *err)
{
    static const int on = 1, off = 0;
    union any_address address;
    socklen_t size = parse_address(&address, bind_text, port);
    if (size == 0) {
        error_set(err, ERR_USAGE, "%s is not an IPv4 or IPv6 address", bind_text);
        return -1;
    }
    SCOPE_FD int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address.any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(fd, &address.any, size) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        error_set_errno(err, "cannot listen on %s port %u", bind_text, (unsigned)port);
        return -1;
    }
    return fd_take(&fd);
}

bool http_listen_port(int fd, uint16_t *out, struct error *err)
{
    union any_address address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(fd, &address.any, &size) != 0)
        return error_set_errno(err, "cannot read the port that is listened on");
    *out = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return true;
}
