#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/accept.h"

struct header {
    const char *text;
    enum pack_format format;
};

static const struct header headers[] = {
    {NULL, PACK_GZIP},
    {"", PACK_GZIP},
    {"*/*", PACK_GZIP},
    {"application/*", PACK_GZIP},
    {"application/gzip", PACK_GZIP},
    {"application/json", PACK_GZIP},
    {"application/zstd", PACK_ZSTD},
    {"Application/ZSTD", PACK_ZSTD},
    {"  application/zstd  ", PACK_ZSTD},
    {"application/zstd;q=1", PACK_ZSTD},
    {"application/zstd ; q=0.001", PACK_ZSTD},
    {"application/zstd;q=0", PACK_GZIP},
    {"application/zstd;q=0.000", PACK_GZIP},
    {"application/zstd;Q=0", PACK_GZIP},
    {"application/zstd;q=", PACK_GZIP},
    {"application/zstd;q=1.001", PACK_GZIP},
    {"application/zstd;q=2", PACK_GZIP},
    {"application/zstd;q=-1", PACK_GZIP},
    {"application/zstd;q=0.0001", PACK_GZIP},
    {"application/zstd;q=x", PACK_GZIP},
    {"application/gzip, application/zstd", PACK_ZSTD},
    {"application/zstd,application/gzip", PACK_ZSTD},
    {"application/zstd;q=0.5, application/gzip", PACK_GZIP},
    {"application/zstd;q=0.5, application/gzip;q=0.25", PACK_ZSTD},
    {"application/zstd;q=0.5, */*", PACK_GZIP},
    {"application/zstd;q=0.5, */*;q=0.1", PACK_ZSTD},
    {"application/zstd;q=0.5, application/gzip;q=0.1, */*", PACK_ZSTD},
    {"*/*, application/zstd;q=0.5, application/gzip;q=0.1", PACK_ZSTD},
    {"application/gzip;q=0.9, application/*;q=0.1, application/zstd;q=0.5", PACK_GZIP},
    {"text/html, application/zstd", PACK_ZSTD},
    {",,application/zstd,,", PACK_ZSTD},
    {"application/zstd;level=\"a,b;q=0\"", PACK_ZSTD},
    {"application/zstd;x=\"\\\"\";q=0", PACK_GZIP},
    {"text/x;a=\"application/zstd", PACK_GZIP},
    {"application/zstdx", PACK_GZIP},
    {"xapplication/zstd", PACK_GZIP},
    {"zstd", PACK_GZIP},
};

static void gives_what_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        if (accept_format(headers[i].text) != headers[i].format)
            fail_msg("Accept: %s", headers[i].text);
    }
}

static void gzip_encoding_is_asked_for_by_name_or_star(void **state)
{
    static const struct {
        const char *header;
        bool gzip;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"gzip, deflate, br", true},
        {"br;q=1.0, gzip;q=0.001", true},
        {"gzip;q=0", false},
        {"gzip;q=0, *", false},
        {"*, gzip;q=0.0", false},
        {"*", true},
        {"*;q=0", false},
        {"*;q=0, gzip", true},
        {"identity", false},
        {"gzipped", false},
        {"gzip;q=7", false},
        {",,;;,gzip", true},
        {"\"gzip", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (accept_gzip_encoding(cases[i].header) != cases[i].gzip)
            fail_msg("%s", cases[i].header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_what_is_accepted),
                                       cmocka_unit_test(gzip_encoding_is_asked_for_by_name_or_star)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
