/* Against mbedTLS, which shares no code with it: every size around the blocks' borders, in every kind of
 * piece. */
#include "common/crypto/sha256_ni.h"

#include <mbedtls/md.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/crypto/random.h"

enum { DATA_BYTES = 100000 };

static unsigned char data[DATA_BYTES];

static void hash_in_pieces(size_t size, size_t piece_bytes, unsigned char out[SHA256_NI_DIGEST_BYTES])
{
    struct sha256_ni hash;
    sha256_ni_start(&hash);
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < piece_bytes ? size - at : piece_bytes;
        sha256_ni_add(&hash, data + at, piece);
        at += piece;
    }
    sha256_ni_finish(&hash, out);
}

static void expect_the_same(size_t size)
{
    static const size_t pieces[] = {1, 7, 63, 64, 65, 200, DATA_BYTES};
    unsigned char expected[SHA256_NI_DIGEST_BYTES];
    assert_int_equal(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, size, expected), 0);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        unsigned char got[SHA256_NI_DIGEST_BYTES];
        hash_in_pieces(size, pieces[i], got);
        assert_memory_equal(got, expected, sizeof(expected));
    }
}

static void every_size_is_the_same_as_in_mbedtls(void **state)
{
    (void)state;
    if (!sha256_ni_usable())
        skip();
    random_bytes(data, sizeof(data));
    for (size_t size = 0; size <= 300; size++)
        expect_the_same(size);
    expect_the_same(DATA_BYTES - 1);
    expect_the_same(DATA_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_size_is_the_same_as_in_mbedtls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
