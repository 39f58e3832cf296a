#include "keys/licence.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "tests/harness/test_folder.h"

enum { KEY_BITS = 2048 };

#define MACHINE "0123456789abcdef0123456789abcdef"

struct keys {
    struct rsa_private *key;
    struct keyring trusted, other;
};

static void make_key(struct rsa_private **key, struct keyring *ring)
{
    SCOPE_BUF struct buf pem = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    *key = rsa_private_generate(KEY_BITS, NULL);
    assert_non_null(*key);
    assert_true(rsa_private_write_public_pem(*key, &pem, NULL));
    assert_true(keyring_parse(buf_view(&pem), ring, NULL));
}

static int set_up(void **state)
{
    struct keys *keys = calloc(1, sizeof(*keys));
    struct rsa_private *other;
    make_key(&keys->key, &keys->trusted);
    make_key(&other, &keys->other);
    rsa_private_free(other);
    *state = keys;
    return 0;
}

static int tear_down(void **state)
{
    struct keys *keys = *state;
    rsa_private_free(keys->key);
    keyring_clear(&keys->trusted);
    keyring_clear(&keys->other);
    free(keys);
    return 0;
}

static const struct licence example = {
    .product = "telehaul",
    .customer = "Harvest \"North\"",
    .machine = MACHINE,
    .issued_us = INT64_C(1771754400000000),
    .expires_us = INT64_C(1803290400000000),
};

static void issue(const struct keys *keys, const struct licence *licence, struct buf *out)
{
    assert_true(licence_issue(licence, keys->key, out, NULL));
}

static void what_was_issued_reads_back(void **state)
{
    const struct keys *keys = *state;
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    struct licence read;
    issue(keys, &example, &text);
    assert_true(licence_parse(buf_view(&text), &keys->trusted, &read, NULL));
    assert_string_equal(read.product, example.product);
    assert_string_equal(read.customer, example.customer);
    assert_string_equal(read.machine, MACHINE);
    assert_int_equal(read.issued_us, example.issued_us);
    assert_int_equal(read.expires_us, example.expires_us);
    assert_string_equal(read.signer, keys->trusted.fingerprints[0]);

    struct licence forever = example;
    forever.expires_us = INT64_MAX;
    buf_reset(&text);
    issue(keys, &forever, &text);
    assert_true(licence_parse(buf_view(&text), &keys->trusted, &read, NULL));
    assert_int_equal(read.expires_us, INT64_MAX);
}

/* Every byte of it counts: each one changed makes it a forgery or no licence. */
static void no_byte_of_it_can_be_changed(void **state)
{
    const struct keys *keys = *state;
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    struct licence read;
    issue(keys, &example, &text);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] = (char)(text.data[i] ^ 1);
        assert_false(licence_parse(buf_view(&text), &keys->trusted, &read, NULL));
        text.data[i] = (char)(text.data[i] ^ 1);
    }
    assert_true(licence_parse(buf_view(&text), &keys->trusted, &read, NULL));
}

static void another_key_signs_nothing_here(void **state)
{
    const struct keys *keys = *state;
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    struct licence read;
    struct error err;
    issue(keys, &example, &text);
    assert_false(licence_parse(buf_view(&text), &keys->other, &read, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "forged");
    assert_true(licence_parse(buf_view(&text), NULL, &read, NULL));
    assert_string_equal(read.signer, "");
}

/* The domain in front: a signature of the same line for another purpose is none of a licence. */
static void a_signature_for_something_else_is_none(void **state)
{
    const struct keys *keys = *state;
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    SCOPE_BUF struct buf forged = BUF_LIMIT(LICENCE_MAX_BYTES);
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    char base64[TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES)];
    size_t size;
    struct licence read;
    struct error err;
    issue(keys, &example, &text);
    struct view rest = buf_view(&text);
    struct view line = text_cut(&rest, '\n');
    assert_true(rsa_pss_sign(keys->key, line, signature, &size, NULL));
    text_base64_encode(base64, signature, size);
    buf_printf(&forged, "%.*s\n%s\n", VIEW_ARG(line), base64);
    assert_false(licence_parse(buf_view(&forged), &keys->trusted, &read, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "forged");
}

static void what_is_no_licence_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n\n",
        "{}\nAAAA\n",
        "{\"product\":\"telehaul\"}\nAAAA\n",
        "[]\nAAAA\n",
        "{\"product\":\"p\",\"customer\":\"c\",\"machine\":\"any\",\"issued_at\":\"2026-01-01T00:00:00Z\","
        "\"expires_at\":\"soon\"}\nAAAA\n",
        "{\"product\":\"p\",\"customer\":\"c\",\"machine\":\"mine\",\"issued_at\":\"2026-01-01T00:00:00Z\","
        "\"expires_at\":null}\nAAAA\n",
        "{\"product\":\"p\",\"customer\":\"c\",\"machine\":\"any\",\"issued_at\":\"2026-01-01T00:00:00Z\","
        "\"expires_at\":null,\"more\":1}\nAAAA\n",
        "{\"product\":\"p\",\"customer\":\"c\",\"machine\":\"any\",\"issued_at\":\"2026-01-01T00:00:00Z\","
        "\"expires_at\":null}\nAAAA\nmore\n",
        "{\"product\":\"p\",\"customer\":\"c\",\"machine\":\"any\",\"issued_at\":\"2026-01-01T00:00:00Z\","
        "\"expires_at\":null}",
    };
    struct licence read;
    struct error err;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(licence_parse(view_of(texts[i]), NULL, &read, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static void it_holds_for_its_product_its_machine_and_its_time(void **state)
{
    (void)state;
    static const char other_machine[] = "ffffffffffffffffffffffffffffffff";
    struct error err;
    int64_t end_us = example.expires_us;
    assert_true(licence_allows(&example, "telehaul", MACHINE, end_us - 1, NULL));
    assert_true(licence_allows(&example, "telehaul", MACHINE, 0, NULL)); /* a clock without a battery */
    assert_false(licence_allows(&example, "telehaul", MACHINE, end_us, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "expired");
    assert_false(licence_allows(&example, "other", MACHINE, 0, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "wrong_product");
    assert_false(licence_allows(&example, "telehaul", other_machine, 0, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "wrong_machine");
    assert_false(licence_allows(&example, "telehaul", NULL, 0, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "wrong_machine");
    struct licence any = example;
    memcpy(any.machine, "any", sizeof("any"));
    assert_true(licence_allows(&any, "telehaul", NULL, 0, NULL));
}

static void a_machine_has_an_id_of_its_own(void **state)
{
    (void)state;
    struct test_folder folder;
    char a[LICENCE_MACHINE_BYTES];
    char b[LICENCE_MACHINE_BYTES];
    assert_true(test_folder_make(&folder));
    struct path path = test_folder_path(&folder, "machine-id");
    assert_true(test_folder_write(&folder, "machine-id", MACHINE "\n"));
    assert_true(licence_machine_id(path.text, a, NULL));
    assert_true(licence_machine_ok(a));
    assert_string_not_equal(a, MACHINE);
    assert_true(test_folder_write(&folder, "machine-id", "ffffffffffffffffffffffffffffffff\n"));
    assert_true(licence_machine_id(path.text, b, NULL));
    assert_string_not_equal(a, b);
    assert_true(test_folder_write(&folder, "machine-id", "uninitialized\n"));
    assert_false(licence_machine_id(path.text, b, NULL));
    assert_false(licence_machine_id(test_folder_path(&folder, "none").text, b, NULL));
    test_folder_remove(&folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        TEST(what_was_issued_reads_back),     TEST(no_byte_of_it_can_be_changed),
        TEST(another_key_signs_nothing_here), TEST(a_signature_for_something_else_is_none),
        TEST(what_is_no_licence_is_refused),  TEST(it_holds_for_its_product_its_machine_and_its_time),
        TEST(a_machine_has_an_id_of_its_own),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
