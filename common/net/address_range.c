#include "common/net/address_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "common/base/attr.h"

enum { IPV4_BYTES = 4, IPV6_BYTES = 16, IPV4_BITS = 32 };

/* https://www.iana.org/assignments/iana-ipv4-special-registry: not globally reachable */
static const struct {
    uint32_t first; /* as a number */
    unsigned bits;
} private_ipv4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8 this network */
    {0x0A000000, 8},  /* 10.0.0.0/8 */
    {0x64400000, 10}, /* 100.64.0.0/10 shared (RFC 6598) */
    {0x7F000000, 8},  /* 127.0.0.0/8 loopback */
    {0xA9FE0000, 16}, /* 169.254.0.0/16 link-local: a cloud's metadata among others */
    {0xAC100000, 12}, /* 172.16.0.0/12 */
    {0xC0000000, 24}, /* 192.0.0.0/24 IETF */
    {0xC0000200, 24}, /* 192.0.2.0/24 documentation */
    {0xC0586300, 24}, /* 192.88.99.0/24 6to4 relays, given up */
    {0xC0A80000, 16}, /* 192.168.0.0/16 */
    {0xC6120000, 15}, /* 198.18.0.0/15 benchmarks */
    {0xC6336400, 24}, /* 198.51.100.0/24 documentation */
    {0xCB007100, 24}, /* 203.0.113.0/24 documentation */
    {0xE0000000, 3},  /* 224.0.0.0/4 multicast, 240.0.0.0/4 reserved, broadcast */
};

static bool ipv4_is_public(const unsigned char bytes[IPV4_BYTES])
{
    uint32_t address =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    for (size_t i = 0; i < COUNT_OF(private_ipv4); i++) {
        unsigned shift = IPV4_BITS - private_ipv4[i].bits;
        if (address >> shift == private_ipv4[i].first >> shift)
            return false;
    }
    return true;
}

/* Where an IPv4 address is carried inside: the beginning that says so, and where it stands. */
static const struct {
    unsigned char begin[12];
    size_t begin_bytes, at;
} carriers[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, 12},    /* ::ffff:0:0/96 IPv4-mapped */
    {{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 12, 12}, /* 64:ff9b::/96 NAT64 */
    {{0x20, 0x02}, 2, 2},                                    /* 2002::/16 6to4 */
};

/* Of 2000::/3, which is all that is given out. */
static const struct {
    unsigned char begin[4];
    size_t begin_bytes;
} private_ipv6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 4}, /* 2001::/32 Teredo: an IPv4 address in disguise */
    {{0x20, 0x01, 0x0d, 0xb8}, 4}, /* 2001:db8::/32 documentation */
    {{0x20, 0x01, 0x00, 0x02}, 4}, /* 2001:2::/48 benchmarks */
    {{0x3f, 0xff}, 2},             /* 3fff::/20 documentation (RFC 9637), and what nobody has beside it */
};

static bool ipv6_is_public(const unsigned char bytes[IPV6_BYTES])
{
    for (size_t i = 0; i < COUNT_OF(carriers); i++) {
        if (memcmp(bytes, carriers[i].begin, carriers[i].begin_bytes) == 0)
            return ipv4_is_public(bytes + carriers[i].at);
    }
    for (size_t i = 0; i < COUNT_OF(private_ipv6); i++) {
        if (memcmp(bytes, private_ipv6[i].begin, private_ipv6[i].begin_bytes) == 0)
            return false;
    }
    return bytes[0] >> 5 == 1; /* 2000::/3 */
}

bool address_is_public(const struct sockaddr *address)
{
    unsigned char bytes[IPV6_BYTES];
    if (address->sa_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, IPV4_BYTES);
        return ipv4_is_public(bytes);
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, IPV6_BYTES);
    return ipv6_is_public(bytes);
}
