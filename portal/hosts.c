#include "portal/hosts.h"

#include <arpa/inet.h>
#include <strings.h>

#include "common/base/text.h"
#include "common/base/view.h"

enum { HOST_MAX_BYTES = 254, PORT_MAX = 65535 };

static bool equal_any_case(struct view a, struct view b)
{
    return a.size == b.size && a.size > 0 && strncasecmp(a.data, b.data, a.size) == 0;
}

/* "name", "192.0.2.1", "[2001:db8::1]", each with or without ":port" (RFC 9110, section 7.2). *name: with its
 * brackets. */
static bool split_host(struct view host, struct view *name)
{
    struct view rest = host;
    if (host.size > 0 && host.data[0] == '[') {
        const char *close = memchr(host.data, ']', host.size);
        if (close == NULL)
            return false;
        size_t size = (size_t)(close - host.data) + 1;
        *name = (struct view){host.data, size};
        rest = (struct view){host.data + size, host.size - size};
        if (rest.size > 0 && rest.data[0] != ':')
            return false;
    } else {
        *name = text_cut(&rest, ':');
        rest = (struct view){host.data + name->size, host.size - name->size};
    }
    uint64_t port;
    bool has_port = rest.size > 0;
    return !has_port || text_parse_u64((struct view){rest.data + 1, rest.size - 1}, PORT_MAX, &port);
}

/* The same address in another spelling is the same address. */
static bool same_address(struct view name, const char *local_address)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    bool ipv6 = name.size > 2 && name.data[0] == '[';
    if (ipv6)
        name = (struct view){name.data + 1, name.size - 2};
    int family = ipv6 ? AF_INET6 : AF_INET;
    if (!text_copy(text, sizeof(text), name) || inet_pton(family, text, bytes) != 1)
        return false;
    return inet_ntop(family, bytes, text, sizeof(text)) != NULL && strcmp(text, local_address) == 0;
}

static bool is_configured(struct view host, struct view name, const char *configured)
{
    while (*configured != '\0') {
        size_t size = strcspn(configured, ", \t");
        struct view entry = {configured, size};
        if (equal_any_case(entry, host) || equal_any_case(entry, name))
            return true;
        configured += size + strspn(configured + size, ", \t");
    }
    return false;
}

bool host_allowed(const char *host, const char *local_address, const char *configured)
{
    struct view whole = view_of(host);
    struct view name;
    if (whole.size == 0 || whole.size > HOST_MAX_BYTES || !split_host(whole, &name))
        return false;
    return equal_any_case(name, VIEW_LITERAL("localhost")) || same_address(name, local_address) ||
           is_configured(whole, name, configured);
}

bool origin_allowed(const char *origin, const char *host, bool tls)
{
    if (origin == NULL)
        return true;
    struct view rest = view_of(origin);
    struct view scheme = tls ? VIEW_LITERAL("https://") : VIEW_LITERAL("http://");
    if (host == NULL || !view_starts(rest, scheme.data))
        return false;
    rest = (struct view){rest.data + scheme.size, rest.size - scheme.size};
    return equal_any_case(rest, view_of(host));
}
