#include "common/crypto/rsa.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "tests/unit/common/crypto/rsa_vectors.h"

enum { VECTOR_BYTES = 256 };

static struct rsa_public *vector_key(void)
{
    struct error err;
    struct rsa_public *key = rsa_public_parse(view_of(vector_public), &err);
    if (key == NULL)
        fail_msg("%s", err.text);
    return key;
}

static bool verifies(const struct rsa_public *key, const char *message, const char *signature_hex)
{
    unsigned char signature[VECTOR_BYTES];
    assert_true(text_hex_decode(view_of(signature_hex), signature, sizeof(signature)));
    return rsa_pss_verify(key, view_of(message), (struct view){(const char *)signature, sizeof(signature)});
}

static void any_salt_length_is_taken(void **state)
{
    (void)state;
    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    assert_true(verifies(key, VECTOR_MESSAGE, vector_salt_0));
    assert_true(verifies(key, VECTOR_MESSAGE, vector_salt_32));
    assert_true(verifies(key, VECTOR_MESSAGE, vector_salt_max));
    assert_false(verifies(key, "2026-02-22T10:00:01Z", vector_salt_32));
    assert_false(verifies(key, "", vector_salt_32));
}

static void other_schemes_are_refused(void **state)
{
    (void)state;
    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    assert_false(verifies(key, VECTOR_MESSAGE, vector_pkcs1_v15));
    assert_false(verifies(key, VECTOR_MESSAGE, vector_sha1));
    assert_false(verifies(key, VECTOR_MESSAGE, vector_sha512));
    assert_false(verifies(key, VECTOR_MESSAGE, vector_mgf1_sha1));
}

static void every_other_size_is_refused(void **state)
{
    (void)state;
    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    char signature[VECTOR_BYTES + 2] = {0};
    assert_true(text_hex_decode(view_of(vector_salt_32), signature, VECTOR_BYTES));
    struct view message = view_of(VECTOR_MESSAGE);
    for (size_t size = 0; size <= sizeof(signature); size++)
        assert_int_equal(rsa_pss_verify(key, message, (struct view){signature, size}), size == VECTOR_BYTES);
    assert_false(rsa_pss_verify(key, message, (struct view){NULL, 0}));
    /* the signature as a number plus nothing in front: a leading zero byte */
    memmove(signature + 1, signature, VECTOR_BYTES);
    signature[0] = 0;
    assert_false(rsa_pss_verify(key, message, (struct view){signature, VECTOR_BYTES + 1}));
}

static void one_flipped_bit_is_refused(void **state)
{
    (void)state;
    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    char signature[VECTOR_BYTES];
    assert_true(text_hex_decode(view_of(vector_salt_32), signature, VECTOR_BYTES));
    for (size_t bit = 0; bit < sizeof(signature) * 8; bit += 13) {
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
        assert_false(
            rsa_pss_verify(key, view_of(VECTOR_MESSAGE), (struct view){signature, sizeof(signature)}));
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
    }
}

static void what_is_signed_here_verifies(void **state)
{
    (void)state;
    struct error err;
    SCOPE_RSA_PRIVATE struct rsa_private *private_key = rsa_private_generate(2048, &err);
    assert_non_null(private_key);
    SCOPE_BUF struct buf pem = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    assert_true(rsa_private_write_public_pem(private_key, &pem, &err));
    SCOPE_RSA_PUBLIC struct rsa_public *public_key = rsa_public_parse(buf_view(&pem), &err);
    assert_non_null(public_key);
    assert_int_equal(rsa_public_bits(public_key), 2048);

    unsigned char one[RSA_SIGNATURE_MAX_BYTES];
    unsigned char two[RSA_SIGNATURE_MAX_BYTES];
    size_t size = 0;
    assert_true(rsa_pss_sign(private_key, view_of("hello"), one, &size, &err));
    assert_int_equal(size, 256);
    assert_true(rsa_pss_verify(public_key, view_of("hello"), (struct view){(char *)one, size}));
    assert_true(rsa_pss_sign(private_key, view_of("hello"), two, &size, &err));
    assert_memory_not_equal(one, two, size);

    /* unless it is asked for: the same again, another one of another message */
    assert_true(rsa_pss_sign_repeatable(private_key, view_of("hello"), one, &size, &err));
    assert_true(rsa_pss_verify(public_key, view_of("hello"), (struct view){(char *)one, size}));
    assert_true(rsa_pss_sign_repeatable(private_key, view_of("hello"), two, &size, &err));
    assert_memory_equal(one, two, size);
    assert_true(rsa_pss_sign_repeatable(private_key, view_of("hallo"), two, &size, &err));
    assert_memory_not_equal(one, two, size);

    SCOPE_RSA_PUBLIC struct rsa_public *stranger = vector_key();
    assert_false(rsa_pss_verify(stranger, view_of("hello"), (struct view){(char *)one, size}));
}

static void pem_comes_back_the_same(void **state)
{
    (void)state;
    struct error err;
    SCOPE_RSA_PRIVATE struct rsa_private *pkcs8 = rsa_private_parse(view_of(vector_private_pkcs8), &err);
    SCOPE_RSA_PRIVATE struct rsa_private *pkcs1 = rsa_private_parse(view_of(vector_private_pkcs1), &err);
    assert_non_null(pkcs8);
    assert_non_null(pkcs1);
    SCOPE_BUF struct buf text = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    assert_true(rsa_private_write_pem(pkcs8, &text, &err));
    assert_string_equal(buf_text(&text), vector_private_pkcs1);
    buf_reset(&text);
    assert_true(rsa_private_write_public_pem(pkcs1, &text, &err));
    assert_string_equal(buf_text(&text), vector_public);

    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    char fingerprint[SHA256_HEX_BYTES];
    assert_true(rsa_public_fingerprint(key, fingerprint, &err));
    assert_string_equal(fingerprint, VECTOR_FINGERPRINT);
}

static void other_keys_are_refused(void **state)
{
    (void)state;
    struct error err;
    assert_null(rsa_public_parse(view_of(""), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(rsa_public_parse(view_of(vector_public_1024), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(rsa_public_parse(view_of(vector_public_p256), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(rsa_public_parse(view_of(vector_private_pkcs8), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(rsa_private_parse(view_of(vector_public), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(rsa_private_parse(view_of(vector_private_passphrase), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "passphrase"));
    assert_null(rsa_private_generate(1024, &err));
    assert_null(rsa_private_generate(2049, &err));
    assert_null(rsa_private_generate(RSA_MAX_BITS + 8, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void exactly_one_public_block_is_taken(void **state)
{
    (void)state;
    struct error err;
    SCOPE_BUF struct buf twice = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    buf_append_text(&twice, vector_public);
    buf_append_text(&twice, vector_public);
    assert_null(rsa_public_parse(buf_view(&twice), &err));
    assert_int_equal(err.code, ERR_INPUT);
    buf_reset(&twice);
    buf_printf(&twice, "words\n%s", vector_public);
    assert_null(rsa_public_parse(buf_view(&twice), &err));
    struct view cut = view_of(vector_public);
    for (size_t size = 0; size < cut.size - 1; size += 7)
        assert_null(rsa_public_parse((struct view){cut.data, size}, &err));
}

/* The file's own mode decides, whoever runs the test. */
static void a_private_key_that_others_may_read_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/telehaul-rsa-XXXXXX";
    SCOPE_FD int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, vector_private_pkcs8, strlen(vector_private_pkcs8)),
                     strlen(vector_private_pkcs8));
    struct error err;
    struct rsa_private *key = rsa_private_load(path, &err);
    assert_non_null(key);
    rsa_private_free(key);
    assert_int_equal(chmod(path, 0640), 0);
    assert_null(rsa_private_load(path, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    unlink(path);
    assert_null(rsa_private_load(path, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

struct crowd {
    const struct rsa_public *public_key;
    const struct rsa_private *private_key;
    _Atomic int wrong;
};

static void *verify_many_times(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < 50; i++) {
        unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
        size_t size;
        struct error err;
        if (!verifies(crowd->public_key, VECTOR_MESSAGE, vector_salt_32) ||
            verifies(crowd->public_key, "something else", vector_salt_32))
            crowd->wrong++;
        if (i % 10 == 0 && !rsa_pss_sign(crowd->private_key, view_of("x"), signature, &size, &err))
            crowd->wrong++;
    }
    return NULL;
}

/* Under V=tsan this also shows that a key is locked while it is used. */
static void several_threads_use_one_key(void **state)
{
    (void)state;
    struct error err;
    SCOPE_RSA_PUBLIC struct rsa_public *key = vector_key();
    SCOPE_RSA_PRIVATE struct rsa_private *private_key =
        rsa_private_parse(view_of(vector_private_pkcs8), &err);
    assert_non_null(private_key);
    struct crowd crowd = {key, private_key, 0};
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many_times, &crowd), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_salt_length_is_taken),
        cmocka_unit_test(other_schemes_are_refused),
        cmocka_unit_test(every_other_size_is_refused),
        cmocka_unit_test(one_flipped_bit_is_refused),
        cmocka_unit_test(what_is_signed_here_verifies),
        cmocka_unit_test(pem_comes_back_the_same),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(exactly_one_public_block_is_taken),
        cmocka_unit_test(a_private_key_that_others_may_read_is_refused),
        cmocka_unit_test(several_threads_use_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
