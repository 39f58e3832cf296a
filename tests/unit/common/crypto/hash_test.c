#include "common/crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/scope.h"
#include "common/base/text.h"

static void expect_hex(const unsigned char digest[SHA256_BYTES], const char *expected)
{
    char hex[SHA256_HEX_BYTES];
    text_hex_encode(hex, digest, SHA256_BYTES);
    assert_string_equal(hex, expected);
}

/* NIST's examples for FIPS 180-4 */
static void known_sha256_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned char digest[SHA256_BYTES];
        sha256_of(view_of(cases[i].text), digest);
        expect_hex(digest, cases[i].digest);
    }
}

static void a_million_a_in_uneven_pieces(void **state)
{
    (void)state;
    char piece[997];
    memset(piece, 'a', sizeof(piece));
    struct sha256 hash;
    sha256_start(&hash);
    for (size_t left = 1000000; left > 0;) {
        size_t size = left < sizeof(piece) ? left : sizeof(piece);
        sha256_add(&hash, piece, size);
        sha256_add(&hash, piece, 0);
        left -= size;
    }
    char hex[SHA256_HEX_BYTES];
    sha256_finish_hex(&hash, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_file_is_hashed_from_its_place(void **state)
{
    (void)state;
    SCOPE_FILE FILE *file = tmpfile();
    assert_non_null(file);
    fputs("skipabc", file);
    fflush(file);
    assert_int_equal(lseek(fileno(file), 4, SEEK_SET), 4);
    char hex[SHA256_HEX_BYTES];
    struct error err;
    assert_true(sha256_file_hex(fileno(file), hex, &err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_false(sha256_file_hex(-1, hex, &err));
    assert_int_equal(err.code, ERR_IO);
}

/* RFC 4231, sections 4.2, 4.3, 4.4, 4.7: short keys, a text key, a key larger than a block */
static void known_hmac_values(void **state)
{
    (void)state;
    char key[131];
    char data[50];
    unsigned char mac[SHA256_BYTES];

    memset(key, 0x0b, 20);
    hmac_sha256((struct view){key, 20}, view_of("Hi There"), mac);
    expect_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");

    hmac_sha256(view_of("Jefe"), view_of("what do ya want for nothing?"), mac);
    expect_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    hmac_sha256((struct view){key, 20}, (struct view){data, sizeof(data)}, mac);
    expect_hex(mac, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");

    hmac_sha256((struct view){key, sizeof(key)},
                view_of("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    expect_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sha256_values),
        cmocka_unit_test(a_million_a_in_uneven_pieces),
        cmocka_unit_test(a_file_is_hashed_from_its_place),
        cmocka_unit_test(known_hmac_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
