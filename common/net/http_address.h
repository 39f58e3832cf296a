/* A peer's address as text, for people and as the key that limits count by. Knows no names and no ports.
 * Threads: safe. */
#ifndef COMMON_NET_HTTP_ADDRESS_H
#define COMMON_NET_HTTP_ADDRESS_H

#include <sys/socket.h>

enum { HTTP_ADDRESS_TEXT_BYTES = 50 }; /* the longest IPv6 text, "/64" and NUL */

struct http_address {
    char text[HTTP_ADDRESS_TEXT_BYTES]; /* "192.0.2.1", "2001:db8::1" */
    char key[HTTP_ADDRESS_TEXT_BYTES];  /* "192.0.2.1", "2001:db8::/64" */
};

/* IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2) is IPv4. Anything but IPv4 and IPv6 is "unknown". */
void http_address_of(struct http_address *out, const struct sockaddr *address);

#endif
