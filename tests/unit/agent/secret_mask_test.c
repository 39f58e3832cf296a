#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/secret_mask.h"
#include "common/base/attr.h"

enum { TEXT_BYTES = 4096 };

static struct secret_mask *mask;
static char text[TEXT_BYTES];

static int setup(void **state)
{
    (void)state;
    mask = secret_mask_new(NULL);
    return mask == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    secret_mask_free(mask);
    return 0;
}

static size_t hide(const char *line)
{
    snprintf(text, sizeof(text), "%s", line);
    size_t hidden = secret_mask_text(mask, text, strlen(text));
    assert_int_equal(strlen(text), strlen(line));
    return hidden;
}

static void add(const char *secret)
{
    assert_true(secret_mask_add(mask, view_of(secret), NULL));
}

/* Every secret in these is S and digits, of any length. */
static void test_what_looks_like_a_secret(void **state)
{
    (void)state;
    static const struct {
        const char *line, *hidden;
    } lines[] = {
        {"password=S123", "password=****"},
        {"PASSWORD = S123 rest", "PASSWORD = **** rest"},
        {"DB_PASSWORD=\"S1 S2\" rest", "DB_PASSWORD=\"*****\" rest"},
        {"x='a' passwd='S1\\'S2' y", "x='a' passwd='******' y"},
        {"--token S123 rest", "--token **** rest"},
        {"--token=S123 rest", "--token=**** rest"},
        {"\"--token=S1 S2\" rest", "\"--token=*****\" rest"},
        {"--api-key \"S1 S2\" rest", "--api-key \"*****\" rest"},
        {"curl -H 'X-Api-Key: S123' rest", "curl -H 'X-Api-Key: ****' rest"},
        {"{\"token\":\"S123\",\"x\":1}", "{\"token\":\"****\",\"x\":1}"},
        {"{\"pin\":5123,\"x\":1}", "{\"pin\":****,\"x\":1}"},
        {"{\\\"token\\\":\\\"S123\\\",\\\"x\\\":1}", "{\\\"token\\\":\\\"*****\",\\\"x\\\":1}"},
        {"{'secret' => 'S123', 'x' => 1}", "{'secret' => '****', 'x' => 1}"},
        {"Authorization: Bearer S1.S2", "Authorization: ************"},
        {"sent Bearer S1.S2 to", "sent Bearer ***** to"},
        {"postgresql://me:S1@2@db/x?a=1", "postgresql://me:****@db/x?a=1"},
        {"postgresql://me:S1/2@db/x", "postgresql://me:****@db/x"},
        {"https://S123@git/x", "https://****@git/x"},
        {"postgresql://me:S1'2@db/x", "postgresql://me:****@db/x"},
        {"{\"url\":\"http://me:S1@db/x\",\"to\":\"a@b\"}", "{\"url\":\"http://me:**@db/x\",\"to\":\"a@b\"}"},
        {"Cookie: a=1; session=S123", "Cookie: *****************"},
        {"JSESSIONID=S123 rest", "JSESSIONID=**** rest"},
        {"http://h/?token=S123&b=2 x", "http://h/?token=******** x"},
        {"host=db password=S123 user=me", "host=db password=**** user=me"},
        {"AWS_SECRET_ACCESS_KEY=S123", "AWS_SECRET_ACCESS_KEY=****"},
        {"CONFIG_PIN=51234567", "CONFIG_PIN=********"},
        {"accountKey=S123;", "accountKey=*****"},
        {"token=S1\npin: 51\nx", "token=**\npin: **\nx"},
        {"password=S123\r\n", "password=****\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_true(hide(lines[i].line) > 0);
        assert_string_equal(text, lines[i].hidden);
    }
}

static void test_what_does_not(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "2026-02-22T10:00:00Z info agent: session: began 10:00, address 192.0.2.1",
        "UPDATE_PUBLIC_KEY_FILE = keys/update_public.pem",
        "EXPORT_SOURCE = postgresql://db/x",
        "http://localhost:8080/path#x",
        "INPUT = drive channels=4 rate=2.5",
        "engine_spinning=4 monkeys=2 pinned=1",
        "token",
        "password",
        "--token",
        "password=",
        "://",
        "a://@",
        "",
        "\n",
        "-----BEGIN CERTIFICATE-----",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(hide(lines[i]), 0);
        assert_string_equal(text, lines[i]);
    }
}

static void test_what_is_known(void **state)
{
    (void)state;
    add("51234567");
    add("s p a c e");
    add("51234567");
    add("abc"); /* too short: it would hide half of every text */
    assert_int_equal(hide("x51234567y s p a c e abc 5123 51234567"), 3);
    assert_string_equal(text, "x********y ********* abc 5123 ********");
}

static void test_one_that_begins_another(void **state)
{
    (void)state;
    add("plant");
    add("plant-S123-plant");
    add("S123");
    hide("plant S123 plant-S123-plant plant-S12");
    assert_string_equal(text, "***** **** **************** *****-S12");
}

static void test_too_many_or_too_long(void **state)
{
    (void)state;
    struct error err;
    char secret[MASK_SECRET_MAX_BYTES + 1];
    memset(secret, 'x', sizeof(secret));
    assert_false(secret_mask_add(mask, (struct view){secret, sizeof(secret)}, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    for (int i = 0; i < MASK_SECRETS_MAX; i++) {
        int size = snprintf(secret, sizeof(secret), "secret-%d", i);
        assert_true(secret_mask_add(mask, (struct view){secret, (size_t)size}, &err));
    }
    assert_false(secret_mask_add(mask, VIEW_LITERAL("one more"), &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* What config.txt has is hidden in the logs too, wherever it stands. */
static void test_learns(void **state)
{
    (void)state;
    static const char config[] = "X = qwertz12\nEXPORT_SOURCE = postgresql://me:S1234@db/x\n"
                                 "SERVICE = cam /bin/cam --token qwertz12\n";
    snprintf(text, sizeof(text), "%s", config);
    assert_int_equal(secret_mask_learn(mask, text, strlen(text)), 3);
    assert_null(strstr(text, "S1234"));
    assert_null(strstr(text, "qwertz12"));
    hide("cannot log in with S1234 and qwertz12");
    assert_string_equal(text, "cannot log in with ***** and ********");
    hide("password=other1 twice: other1"); /* text teaches nothing */
    assert_string_equal(text, "password=****** twice: other1");
}

static void test_private_keys(void **state)
{
    (void)state;
    hide("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nb token=S1\n");
    assert_string_equal(
        text, "a\n-----BEGIN RSA PRIVATE KEY*****\n****\n****\n-----END RSA PRIVATE KEY-----\nb token=**\n");
    hide("{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n\"} b");
    assert_null(strstr(text, "MIIE"));
    assert_non_null(strstr(text, " b"));
    /* cut into pieces, and a text that ends in one */
    hide("-----BEGIN PRIVATE KEY-----\nMI");
    hide("IE\nabcd");
    assert_string_equal(text, "**\n****");
    secret_mask_begin(mask);
    assert_int_equal(hide("abcd"), 0);
    /* its BEGIN was cut off */
    hide("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\r\nx\n");
    assert_string_equal(text, "*****************************************************************\nx\n");
}

static void test_a_key_that_does_not_end(void **state)
{
    (void)state;
    hide("-----BEGIN PRIVATE KEY-----\n");
    size_t lines = 0;
    while (hide("MIIE MIIE MIIE MIIE\n") > 0 && lines <= MASK_KEY_MAX_BYTES)
        lines++;
    assert_in_range(lines, MASK_KEY_MAX_BYTES / 20, MASK_KEY_MAX_BYTES / 18);
}

/* What was hidden once is seen again with what follows: it stays hidden, and is counted once. */
static void test_again(void **state)
{
    (void)state;
    assert_int_equal(hide("token=****"), 0);
    assert_int_equal(hide("token=****S1 x"), 1);
    assert_string_equal(text, "token=****** x");
}

/* The CPU's time for so many bytes of one piece again and again. */
static clock_t time_of(const char *piece, char *room, size_t bytes)
{
    size_t size = strlen(piece);
    for (size_t at = 0; at + size <= bytes; at += size)
        memcpy(room + at, piece, size);
    clock_t began = clock();
    secret_mask_text(mask, room, bytes / size * size);
    return clock() - began;
}

/* Texts that would take a square of their size, seconds each, if looked at so: four times the text is four
 * times the work, not sixteen times. */
static void test_takes_no_time(void **state)
{
    (void)state;
    enum { BIG = 512 * 1024 };
    static const char *const pieces[] = {"://",      "-token ", "token", "=",           "\"",
                                         "token=\"", "' ",      ": ",    "-----BEGIN ", "pin:"};
    char *big = malloc(BIG);
    assert_non_null(big);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        clock_t quarter = time_of(pieces[i], big, BIG / 4);
        assert_true(time_of(pieces[i], big, BIG) < 10 * quarter + CLOCKS_PER_SEC / 10);
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_looks_like_a_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_begins_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_or_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_learns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_does_not_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_no_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
