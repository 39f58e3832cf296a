#include "keys/keyring.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/os/file.h"
#include "tests/unit/common/crypto/rsa_vectors.h"

enum { MADE_KEYS = 5 };

/* Public keys made once: making one takes a tenth of a second. */
static struct {
    char pem[MADE_KEYS][1024];
    struct rsa_private *private_keys[MADE_KEYS];
} made;

static int make_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < MADE_KEYS; i++) {
        struct error err;
        SCOPE_BUF struct buf pem = BUF_LIMIT(sizeof(made.pem[i]) - 1);
        made.private_keys[i] = rsa_private_generate(2048, &err);
        if (made.private_keys[i] == NULL || !rsa_private_write_public_pem(made.private_keys[i], &pem, &err))
            return -1;
        memcpy(made.pem[i], buf_text(&pem), pem.size + 1);
    }
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < MADE_KEYS; i++)
        rsa_private_free(made.private_keys[i]);
    return 0;
}

static struct buf joined(size_t count)
{
    struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "# key %zu\n\n%s", i, made.pem[i]);
    return text;
}

static void any_of_four_keys_counts(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = joined(KEYRING_MAX_KEYS);
    struct keyring ring;
    struct error err;
    assert_true(keyring_parse(buf_view(&text), &ring, &err));
    assert_int_equal(ring.count, KEYRING_MAX_KEYS);
    for (size_t i = 0; i < MADE_KEYS; i++) {
        unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
        size_t size;
        assert_true(rsa_pss_sign(made.private_keys[i], view_of("words"), signature, &size, &err));
        struct view view = {(const char *)signature, size};
        assert_int_equal(keyring_verify(&ring, view_of("words"), view), i < KEYRING_MAX_KEYS ? (int)i : -1);
        assert_int_equal(keyring_verify(&ring, view_of("other words"), view), -1);
    }
    keyring_clear(&ring);
}

static void blanks_comments_and_crlf_are_fine(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    buf_append_text(&text, "\r\n# the server\r\n   \r\n");
    for (const char *at = vector_public; *at != '\0'; at++) {
        if (*at == '\n')
            buf_append_byte(&text, '\r');
        buf_append_byte(&text, *at);
    }
    buf_append_text(&text, "# end, without a line feed");
    struct keyring ring;
    struct error err;
    assert_true(keyring_parse(buf_view(&text), &ring, &err));
    assert_int_equal(ring.count, 1);
    assert_string_equal(ring.fingerprints[0], VECTOR_FINGERPRINT);
    keyring_clear(&ring);
}

static void expect_refused(const char *text)
{
    struct keyring ring;
    struct error err;
    assert_false(keyring_parse(view_of(text), &ring, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static void what_is_no_key_file_is_refused(void **state)
{
    (void)state;
    expect_refused("");
    expect_refused("# nothing but words\n");
    expect_refused("ssh-rsa AAAA\n");
    expect_refused(vector_private_pkcs8);
    expect_refused(vector_public_1024);
    expect_refused(vector_public_p256);

    SCOPE_BUF struct buf text = joined(MADE_KEYS);
    expect_refused(buf_text(&text)); /* five */
    buf_reset(&text);
    buf_printf(&text, "%s%s", made.pem[0], made.pem[0]);
    expect_refused(buf_text(&text)); /* twice the same */
    buf_reset(&text);
    buf_printf(&text, "%swords\n%s", made.pem[0], made.pem[1]);
    expect_refused(buf_text(&text));
    buf_reset(&text);
    buf_printf(&text, "%.*s", (int)strlen(made.pem[0]) - 5, made.pem[0]);
    expect_refused(buf_text(&text)); /* its last line is cut */
    buf_reset(&text);
    buf_printf(&text, "%.*s%s", 200, made.pem[0], made.pem[1]);
    expect_refused(buf_text(&text)); /* one begins inside another */
}

struct file_case {
    char folder[32];
    struct path path;
};

static int make_folder(void **state)
{
    static struct file_case file;
    strcpy(file.folder, "/tmp/telehaul-keys-XXXXXX");
    struct error err;
    if (mkdtemp(file.folder) == NULL || !path_join(&file.path, file.folder, "trusted.pem", &err))
        return -1;
    *state = &file;
    return 0;
}

static int remove_folder(void **state)
{
    struct file_case *file = *state;
    unlink(file->path.text);
    return rmdir(file->folder); /* fails when anything else was left behind */
}

static size_t keys_in(const char *path)
{
    struct keyring ring;
    struct error err;
    if (!keyring_load(path, &ring, &err))
        fail_msg("%s", err.text);
    size_t count = ring.count;
    keyring_clear(&ring);
    return count;
}

static void keys_are_added_and_removed(void **state)
{
    const char *path = ((struct file_case *)*state)->path.text;
    struct error err;
    for (size_t i = 0; i < KEYRING_MAX_KEYS; i++) {
        assert_true(keyring_add(path, view_of(made.pem[i]), &err));
        assert_int_equal(keys_in(path), i + 1);
    }
    assert_false(keyring_add(path, view_of(made.pem[1]), &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_false(keyring_add(path, view_of(made.pem[4]), &err));
    assert_int_equal(err.code, ERR_LIMIT);

    struct keyring ring;
    assert_true(keyring_load(path, &ring, &err));
    char begin[9];
    snprintf(begin, sizeof(begin), "%.8s", ring.fingerprints[2]);
    assert_true(keyring_remove(path, ring.fingerprints[0], &err));
    assert_true(keyring_remove(path, begin, &err));
    assert_false(keyring_remove(path, begin, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(keyring_remove(path, ring.fingerprints[3], &err));
    assert_int_equal(keys_in(path), 1);
    assert_false(keyring_remove(path, ring.fingerprints[1], &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_false(keyring_remove(path, "1234567", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_int_equal(keys_in(path), 1);
    keyring_clear(&ring);
}

static void words_around_keys_stay(void **state)
{
    const char *path = ((struct file_case *)*state)->path.text;
    struct error err;
    SCOPE_BUF struct buf text = joined(2);
    buf_append_text(&text, "# last words");
    assert_true(file_replace(path, buf_view(&text), 0644, &err));
    assert_true(keyring_add(path, view_of(made.pem[2]), &err));
    struct keyring ring;
    assert_true(keyring_load(path, &ring, &err));
    assert_int_equal(ring.count, 3);
    assert_true(keyring_remove(path, ring.fingerprints[0], &err));
    keyring_clear(&ring);
    buf_reset(&text);
    assert_true(file_read_path(path, &text, &err));
    SCOPE_BUF struct buf expected = BUF_LIMIT(KEYRING_MAX_BYTES);
    buf_printf(&expected, "# key 0\n\n# key 1\n\n%s# last words\n%s", made.pem[1], made.pem[2]);
    assert_string_equal(buf_text(&text), buf_text(&expected));
}

static void several_keys_are_not_added_at_once(void **state)
{
    const char *path = ((struct file_case *)*state)->path.text;
    struct error err;
    SCOPE_BUF struct buf text = joined(2);
    assert_false(keyring_add(path, buf_view(&text), &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_four_keys_counts),
        cmocka_unit_test(blanks_comments_and_crlf_are_fine),
        cmocka_unit_test(what_is_no_key_file_is_refused),
        cmocka_unit_test_setup_teardown(keys_are_added_and_removed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(words_around_keys_stay, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(several_keys_are_not_added_at_once, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
