#include "common/net/http_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void from_ipv4(struct http_address *out, const void *bytes)
{
    inet_ntop(AF_INET, bytes, out->text, sizeof(out->text));
    memcpy(out->key, out->text, sizeof(out->key));
}

static void from_ipv6(struct http_address *out, const struct in6_addr *address)
{
    struct in6_addr network = *address;
    memset(network.s6_addr + 8, 0, 8);
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, address, out->text, sizeof(out->text));
    inet_ntop(AF_INET6, &network, text, sizeof(text));
    snprintf(out->key, sizeof(out->key), "%s/64", text);
}

void http_address_of(struct http_address *out, const struct sockaddr *address)
{
    *out = (struct http_address){"unknown", "unknown"};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        from_ipv4(out, &v4.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            from_ipv4(out, v6.sin6_addr.s6_addr + 12);
        else
            from_ipv6(out, &v6.sin6_addr);
    }
}
