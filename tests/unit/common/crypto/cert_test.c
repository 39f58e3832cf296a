#include "common/crypto/cert.h"

#include <mbedtls/x509_crt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/crypto/cert_vectors.h"

static const int64_t now_us = 1771754400LL * US_PER_S; /* 2026-02-22T10:00:00Z */

struct made {
    struct buf cert, key;
};

static void make(struct made *made)
{
    struct clock_fake fake;
    clock_fake_init(&fake, now_us, 0);
    *made = (struct made){BUF_LIMIT(CERT_PEM_MAX_BYTES), BUF_LIMIT(CERT_PEM_MAX_BYTES)};
    struct error err;
    if (!cert_make("telehaul agent", &fake.clock, &made->cert, &made->key, &err))
        fail_msg("%s", err.text);
}

static void clear(struct made *made)
{
    buf_clear(&made->cert);
    buf_clear(&made->key);
}

static void it_is_p256_and_valid_for_ten_years(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    assert_int_equal(
        mbedtls_x509_crt_parse(&crt, (const unsigned char *)buf_text(&made.cert), made.cert.size + 1), 0);
    assert_int_equal(mbedtls_pk_get_bitlen(&crt.pk), 256);
    assert_int_equal(crt.valid_from.year, 2026);
    assert_int_equal(crt.valid_from.day, 21);
    assert_int_equal(crt.valid_to.year, 2036);
    assert_int_equal(crt.valid_to.mon, 2);
    assert_true(crt.valid_to.day >= 22);
    uint32_t flags = 0;
    (void)mbedtls_x509_crt_verify(&crt, &crt, NULL, NULL, &flags, NULL, NULL);
    assert_int_equal(flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED, 0); /* signed with its own key */
    mbedtls_x509_crt_free(&crt);

    struct error err;
    assert_true(cert_matches_key(buf_view(&made.cert), buf_view(&made.key), &err));
    clear(&made);
}

static void each_one_has_a_name_of_its_own(void **state)
{
    (void)state;
    struct made one;
    struct made two;
    make(&one);
    make(&two);
    char first[SHA256_HEX_BYTES];
    char second[SHA256_HEX_BYTES];
    struct error err;
    assert_true(cert_agent_id(buf_view(&one.cert), first, &err));
    assert_true(cert_agent_id(buf_view(&two.cert), second, &err));
    assert_string_not_equal(first, second);
    assert_false(cert_matches_key(buf_view(&one.cert), buf_view(&two.key), &err));
    assert_int_equal(err.code, ERR_INPUT);

    /* of several certificates the first one counts, whatever follows */
    char again[SHA256_HEX_BYTES];
    assert_true(buf_append_view(&one.cert, buf_view(&two.cert)));
    assert_true(buf_append_text(&one.cert, "-----BEGIN CERTIFICATE-----\nnonsense\n"));
    assert_true(cert_agent_id(buf_view(&one.cert), again, &err));
    assert_string_equal(again, first);
    clear(&one);
    clear(&two);
}

static void a_pair_of_openssl_loads(void **state)
{
    (void)state;
    char agent_id[SHA256_HEX_BYTES];
    struct error err;
    assert_true(cert_agent_id(view_of(vector_cert), agent_id, &err));
    assert_string_equal(agent_id, VECTOR_AGENT_ID);
    assert_true(cert_matches_key(view_of(vector_cert), view_of(vector_cert_key), &err));
}

static void what_is_no_certificate_is_refused(void **state)
{
    (void)state;
    char agent_id[SHA256_HEX_BYTES] = "untouched";
    struct error err;
    static const char *const texts[] = {
        "", "words", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", vector_cert_key};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(cert_agent_id(view_of(texts[i]), agent_id, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
    assert_false(cert_agent_id((struct view){NULL, 0}, agent_id, &err));
    assert_false(cert_matches_key(view_of(vector_cert), view_of(vector_cert), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(agent_id, "untouched");
}

static void names_are_checked(void **state)
{
    (void)state;
    SCOPE_BUF struct buf cert = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    static const char *const names[] = {"", "a,O=b", "a\nb",
                                        "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct error err;
        assert_false(cert_make(names[i], clock_system(), &cert, &key, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_int_equal(cert.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_p256_and_valid_for_ten_years),
        cmocka_unit_test(each_one_has_a_name_of_its_own),
        cmocka_unit_test(a_pair_of_openssl_loads),
        cmocka_unit_test(what_is_no_certificate_is_refused),
        cmocka_unit_test(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
