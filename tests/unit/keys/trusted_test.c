#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/asset.h"
#include "keys/trusted.h"
#include "tests/harness/test_folder.h"

enum { KEY_BITS = 2048 };

/* What `make UPDATE_PUBLIC_KEY=FILE` makes, filled here. Blanks behind a key are none of it. */
static char compiled_in[4096];
const struct asset update_key_assets[] = {{"key.pem", compiled_in, compiled_in + sizeof(compiled_in)},
                                          {NULL, NULL, NULL}};

static void make_key(struct buf *pem, char fingerprint[SHA256_HEX_BYTES])
{
    struct error err;
    struct keyring ring;
    struct rsa_private *key = rsa_private_generate(KEY_BITS, &err);
    assert_non_null(key);
    assert_true(rsa_private_write_public_pem(key, pem, &err));
    rsa_private_free(key);
    assert_true(keyring_parse(buf_view(pem), &ring, &err));
    memcpy(fingerprint, ring.fingerprints[0], SHA256_HEX_BYTES);
    keyring_clear(&ring);
}

struct fixture {
    struct test_folder folder;
    struct appliance appliance;
    char in_program[SHA256_HEX_BYTES], in_file[SHA256_HEX_BYTES];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_true(test_folder_make(&fixture->folder));
    snprintf(fixture->appliance.root, sizeof(fixture->appliance.root), "%s", fixture->folder.path);
    snprintf(fixture->appliance.config.update_public_key_file, CONFIG_TEXT_BYTES, "update.pem");
    snprintf(fixture->appliance.config.auth_public_key_file, CONFIG_TEXT_BYTES, "auth.pem");
    SCOPE_BUF struct buf pem = BUF_LIMIT(KEYRING_MAX_BYTES);
    make_key(&pem, fixture->in_program);
    memset(compiled_in, '\n', sizeof(compiled_in));
    memcpy(compiled_in, pem.data, pem.size);
    buf_reset(&pem);
    make_key(&pem, fixture->in_file);
    assert_true(test_folder_write(&fixture->folder, "auth.pem", buf_text(&pem)));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    test_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

static void expect_one(const struct keyring *ring, const char *fingerprint)
{
    assert_int_equal(ring->count, 1);
    assert_string_equal(ring->fingerprints[0], fingerprint);
}

static void wins_over_the_file_of_updates(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct keyring ring;
    assert_true(trusted_for_updates(&fixture->appliance, &ring, &err)); /* that file is not even there */
    expect_one(&ring, fixture->in_program);
    keyring_clear(&ring);
    assert_string_equal(trusted_origin_of_updates(&fixture->appliance), "compiled in");
}

static void sessions_have_their_own_file(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct keyring ring;
    assert_true(trusted_for_sessions(&fixture->appliance, &ring, &err));
    expect_one(&ring, fixture->in_file);
    keyring_clear(&ring);
    assert_string_equal(trusted_origin_of_sessions(&fixture->appliance), "auth.pem");
}

static void sessions_without_one_trust_who_signs_updates(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct keyring ring;
    snprintf(fixture->appliance.config.auth_public_key_file, CONFIG_TEXT_BYTES, "update.pem");
    assert_true(trusted_for_sessions(&fixture->appliance, &ring, &err));
    expect_one(&ring, fixture->in_program);
    keyring_clear(&ring);
    assert_string_equal(trusted_origin_of_sessions(&fixture->appliance), "compiled in");
}

static void one_that_is_no_key_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct keyring ring;
    memset(compiled_in, 'x', sizeof(compiled_in));
    assert_false(trusted_for_updates(&fixture->appliance, &ring, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "the key compiled in"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wins_over_the_file_of_updates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sessions_have_their_own_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sessions_without_one_trust_who_signs_updates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_no_key_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
