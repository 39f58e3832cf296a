#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "portal/hosts.h"

static const struct {
    const char *host, *local, *configured;
    bool allowed;
} hosts[] = {
    {"localhost", "127.0.0.1", "", true},
    {"localhost:8000", "127.0.0.1", "", true},
    {"LocalHost:18000", "127.0.0.1", "", true}, /* through a tunnel */
    {"127.0.0.1:8000", "127.0.0.1", "", true},
    {"192.168.1.7:8000", "192.168.1.7", "", true},
    {"[::1]:8000", "::1", "", true},
    {"[2001:DB8:0::0:7]:8000", "2001:db8::7", "", true}, /* the same address, spelled otherwise */
    {"plant-7.example:8000", "10.0.0.7", "plant-7.example", true},
    {"PLANT-7.example", "10.0.0.7", "other, plant-7.example", true},
    {"plant-7.example:443", "10.0.0.7", "plant-7.example:443 other", true},
    {"[fd00::1]:8000", "10.0.0.7", "[fd00::1]", true},
    {NULL, "127.0.0.1", "", false},
    {"", "127.0.0.1", "", false},
    {"evil.example", "127.0.0.1", "", false},
    {"evil.example:8000", "127.0.0.1", "plant-7.example", false},
    {"localhost.evil.example", "127.0.0.1", "", false},
    {"127.0.0.1.evil.example:8000", "127.0.0.1", "", false},
    {"192.168.1.8", "192.168.1.7", "", false},
    {"0x7f.1", "127.0.0.1", "", false},
    {"2130706433", "127.0.0.1", "", false},
    {"::1", "::1", "", false}, /* without brackets it is no Host */
    {"[::1", "::1", "", false},
    {"[::1]x", "::1", "", false},
    {"[::1]:", "::1", "", false},
    {"localhost:", "127.0.0.1", "", false},
    {"localhost:80x", "127.0.0.1", "", false},
    {"localhost:65536", "127.0.0.1", "", false},
    {"localhost:8000:8000", "127.0.0.1", "", false},
    {"plant-7.example:444", "10.0.0.7", "plant-7.example:443", false},
    {"plant-7", "10.0.0.7", "plant-7.example", false},
    {"user@localhost", "127.0.0.1", "", false},
    {"localhost/x", "127.0.0.1", "", false},
    {":8000", "127.0.0.1", "", false},
    {",", "127.0.0.1", "a,,b", false},
};

static void knows_its_own_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        bool allowed = host_allowed(hosts[i].host, hosts[i].local, hosts[i].configured);
        if (allowed != hosts[i].allowed)
            print_error("%s at %s, PORTAL_HOSTS `%s`\n", hosts[i].host, hosts[i].local, hosts[i].configured);
        assert_int_equal(allowed, hosts[i].allowed);
    }
}

static void an_origin_is_this_very_site(void **state)
{
    (void)state;
    assert_true(origin_allowed(NULL, "localhost:8000", false));
    assert_true(origin_allowed("http://localhost:8000", "localhost:8000", false));
    assert_true(origin_allowed("https://LOCALHOST:8000", "localhost:8000", true));
    assert_false(origin_allowed("https://localhost:8000", "localhost:8000", false));
    assert_false(origin_allowed("http://localhost:8000", "localhost:8000", true));
    assert_false(origin_allowed("http://localhost:8001", "localhost:8000", false));
    assert_false(origin_allowed("http://localhost", "localhost:8000", false));
    assert_false(origin_allowed("http://evil.example", "localhost:8000", false));
    assert_false(origin_allowed("http://localhost:8000.evil.example", "localhost:8000", false));
    assert_false(origin_allowed("null", "localhost:8000", false));
    assert_false(origin_allowed("", "localhost:8000", false));
    assert_false(origin_allowed("http://", "", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_its_own_names),
        cmocka_unit_test(an_origin_is_this_very_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
