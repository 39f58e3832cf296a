#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "common/base/attr.h"
#include "common/net/address_range.h"

static bool is_public(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *ipv4 = (void *)&storage;
    struct sockaddr_in6 *ipv6 = (void *)&storage;
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1)
        ipv4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1)
        ipv6->sin6_family = AF_INET6;
    else
        fail_msg("no address: %s", text);
    return address_is_public((struct sockaddr *)&storage);
}

static void the_worlds_addresses_are_public(void **state)
{
    static const char *const addresses[] = {
        "1.1.1.1",        "8.8.8.8",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
        "100.128.0.0",    "126.255.255.255",  "128.0.0.0",       "169.253.255.255", "169.255.0.0",
        "172.15.255.255", "172.32.0.0",       "192.0.1.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0",       "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
        "2a00::1",        "64:ff9b::8.8.8.8", "::ffff:8.8.8.8",  "2002:808:808::1"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        if (!is_public(addresses[i]))
            fail_msg("not public: %s", addresses[i]);
    }
}

static void somebodys_own_networks_are_not(void **state)
{
    static const char *const addresses[] = {"0.0.0.0",
                                            "0.1.2.3",
                                            "10.0.0.1",
                                            "10.255.255.255",
                                            "100.64.0.0",
                                            "100.127.255.255",
                                            "127.0.0.1",
                                            "127.255.255.255",
                                            "169.254.169.254",
                                            "172.16.0.1",
                                            "172.31.255.255",
                                            "192.0.0.1",
                                            "192.0.2.1",
                                            "192.88.99.1",
                                            "192.168.0.1",
                                            "192.168.255.255",
                                            "198.18.0.1",
                                            "198.19.255.255",
                                            "198.51.100.1",
                                            "203.0.113.255",
                                            "224.0.0.1",
                                            "239.255.255.255",
                                            "240.0.0.1",
                                            "255.255.255.255",
                                            "::",
                                            "::1",
                                            "::7f00:1",
                                            "::ffff:127.0.0.1",
                                            "::ffff:10.0.0.1",
                                            "64:ff9b::10.0.0.1",
                                            "64:ff9b:1::1",
                                            "2002:7f00:1::",
                                            "2002:a00:1::1",
                                            "2001::1",
                                            "2001:0:1::1",
                                            "2001:2::1",
                                            "2001:db8::1",
                                            "3fff::1",
                                            "fc00::1",
                                            "fd00:ec2::254",
                                            "fe80::1",
                                            "fec0::1",
                                            "ff02::1",
                                            "100::1",
                                            "5f00::1"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        if (is_public(addresses[i]))
            fail_msg("public: %s", addresses[i]);
    }
}

static void what_is_no_ip_is_not(void **state)
{
    (void)state;
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
    assert_false(address_is_public((struct sockaddr *)&local));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worlds_addresses_are_public),
        cmocka_unit_test(somebodys_own_networks_are_not),
        cmocka_unit_test(what_is_no_ip_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
