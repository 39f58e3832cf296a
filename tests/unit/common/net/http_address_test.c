#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "common/base/attr.h"
#include "common/net/http_address.h"

static void check(const char *text, const char *want_text, const char *want_key)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct http_address out;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        http_address_of(&out, (const struct sockaddr *)&v4);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        http_address_of(&out, (const struct sockaddr *)&v6);
    }
    assert_string_equal(out.text, want_text);
    assert_string_equal(out.key, want_key);
}

static void ipv4_is_its_own_key(void **state)
{
    (void)state;
    check("192.0.2.1", "192.0.2.1", "192.0.2.1");
    check("255.255.255.255", "255.255.255.255", "255.255.255.255");
}

static void ipv6_counts_by_its_64(void **state)
{
    (void)state;
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
    check("2001:db8:1:2:ffff::1", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64");
    check("::1", "::1", "::/64");
    check("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          "ffff:ffff:ffff:ffff::/64");
}

static void mapped_ipv4_is_ipv4(void **state)
{
    (void)state;
    check("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7");
}

static void anything_else_is_unknown(void **state)
{
    (void)state;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct http_address out;
    http_address_of(&out, (const struct sockaddr *)&local);
    assert_string_equal(out.text, "unknown");
    assert_string_equal(out.key, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_its_own_key),
        cmocka_unit_test(ipv6_counts_by_its_64),
        cmocka_unit_test(mapped_ipv4_is_ipv4),
        cmocka_unit_test(anything_else_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
