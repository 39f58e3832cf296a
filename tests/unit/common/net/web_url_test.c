#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/net/web_url.h"

static void addresses_of_the_schemes_are_taken(void **state)
{
    static const struct {
        const char *url, *schemes, *host;
    } good[] = {
        {"https://example.org/", "https", "example.org"},
        {"https://example.org:8443/a?b=c#d", "https", "example.org"},
        {"HTTPS://EXAMPLE.org", "https|http", "EXAMPLE.org"},
        {"http://127.0.0.1", "https|http", "127.0.0.1"},
        {"https://[::1]:9/x", "https", "[::1]"},
        {"smtps://mail.example.org:465", "smtp|smtps", "mail.example.org"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct error err = {0};
        char host[64];
        if (!web_url_check(good[i].url, good[i].schemes, &err))
            fail_msg("%s: %s", good[i].url, err.text);
        web_url_host(good[i].url, host, sizeof(host));
        assert_string_equal(host, good[i].host);
    }
}

static void everything_else_is_refused(void **state)
{
    static const struct {
        const char *url, *schemes;
    } bad[] = {
        {"", "https"},
        {"example.org", "https"},
        {"https://", "https"},
        {"http://example.org/", "https"},
        {"httpsx://example.org/", "https|http"},
        {"ht://example.org/", "https|http"},
        {"file:///etc/passwd", "https|http"},
        {"gopher://example.org/", "https|http"},
        {"https://user@example.org/", "https"},
        {"https://user:s3cret@example.org/", "https"},
        {"https://:s3cret@example.org/", "https"},
        {"https://example.org/a b", "https"},
        {"https://example.org/\r\nX: y", "https"},
        {"https://example.org/\xd0\xb6", "https"},
        {"https://example.org:99999/", "https"},
    };
    static char long_url[WEB_URL_MAX_BYTES + 2] = "https://example.org/";
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        if (web_url_check(bad[i].url, bad[i].schemes, &err))
            fail_msg("taken: %s", bad[i].url);
        assert_int_equal(err.code, ERR_USAGE);
        assert_null(strstr(err.text, "s3cret"));
    }
    memset(long_url + strlen(long_url), 'x', sizeof(long_url) - 1 - strlen(long_url));
    assert_false(web_url_check(long_url, "https", NULL));
    long_url[WEB_URL_MAX_BYTES] = '\0';
    assert_true(web_url_check(long_url, "https", NULL));
}

static void a_host_that_does_not_fit_is_none(void **state)
{
    (void)state;
    char host[4] = "abc";
    web_url_host("https://example.org/", host, sizeof(host));
    assert_string_equal(host, "");
}

static void a_secret_goes_over_tls_or_stays_on_this_machine(void **state)
{
    static const char *const good[] = {"https://example.org",   "HTTPS://example.org/x",
                                       "http://127.0.0.1:8081", "http://127.9.9.9/base",
                                       "http://[::1]:9",        "http://localhost:9"};
    static const char *const bad[] = {"",
                                      "gopher://example.org",
                                      "http://example.org",
                                      "http://127.example.org",
                                      "http://127.0.0.1.example.org",
                                      "http://localhost.example.org",
                                      "http://10.0.0.1",
                                      "http://0.0.0.0",
                                      "http://[::2]",
                                      "https://user:s3cret@example.org"};
    struct error err = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!web_url_check_secret(good[i], &err))
            fail_msg("%s: %s", good[i], err.text);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (web_url_check_secret(bad[i], &err))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(err.code, ERR_USAGE);
        assert_null(strstr(err.text, "s3cret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_schemes_are_taken),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(a_secret_goes_over_tls_or_stays_on_this_machine),
        cmocka_unit_test(a_host_that_does_not_fit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
