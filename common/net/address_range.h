/* Which addresses are the world's and which are somebody's own network (IANA's registries of special-purpose
 * addresses, RFC 6890). Knows no names. Threads: safe. */
#ifndef COMMON_NET_ADDRESS_RANGE_H
#define COMMON_NET_ADDRESS_RANGE_H

#include <stdbool.h>
#include <sys/socket.h>

/* True for an address that everybody may be asked to connect to. Loopback, private, link-local, shared,
 * multicast, documentation and reserved ones are not; nor are those in IPv6's clothes (mapped, NAT64, 6to4),
 * nor anything that is neither IPv4 nor IPv6. */
bool address_is_public(const struct sockaddr *address);

#endif
