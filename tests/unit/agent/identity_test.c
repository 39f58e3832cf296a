#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/identity.h"

static const char *const names[] = {"agent/cert.pem", "agent/cert.pem.new", "agent/key.pem",
                                    "agent/.key.pem.tmp", "aside.pem"};
static char folder[] = "/tmp/identity_test.XXXXXX";
static struct appliance appliance = {
    .config = {.agent_cert_file = "agent/cert.pem", .agent_key_file = "agent/key.pem"}};

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    snprintf(appliance.root, sizeof(appliance.root), "%s", folder);
    return 0;
}

static int empty_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(names[i]);
    rmdir("agent");
    return 0;
}

static int remove_folder(void **state)
{
    empty_folder(state);
    return chdir("/") != 0 || rmdir(folder) != 0;
}

/* Opens it; returns the agent_id, "" when it fails with err. */
static const char *open_identity(char agent_id[SHA256_HEX_BYTES], struct error *err)
{
    struct identity identity;
    agent_id[0] = '\0';
    if (identity_open(&appliance, clock_system(), &identity, err)) {
        memcpy(agent_id, identity.agent_id, SHA256_HEX_BYTES);
        identity_clear(&identity);
    }
    return agent_id;
}

static void made_once_and_kept(void **state)
{
    (void)state;
    struct error err = {0};
    char first[SHA256_HEX_BYTES], second[SHA256_HEX_BYTES];
    assert_int_equal(strlen(open_identity(first, &err)), 64);
    assert_string_equal(open_identity(second, &err), first);
    struct stat status;
    assert_int_equal(stat("agent/key.pem", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(access("agent/cert.pem.new", F_OK), -1);
}

static void one_alone_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char id[SHA256_HEX_BYTES];
    open_identity(id, &err);
    assert_int_equal(rename("agent/cert.pem", "aside.pem"), 0);
    assert_string_equal(open_identity(id, &err), "");
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "cert.pem is missing"));
    assert_int_equal(rename("aside.pem", "agent/cert.pem"), 0);
    assert_int_equal(unlink("agent/key.pem"), 0);
    assert_string_equal(open_identity(id, &err), "");
    assert_non_null(strstr(err.text, "key.pem is missing"));
}

static void two_that_are_no_pair_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char id[SHA256_HEX_BYTES];
    open_identity(id, &err);
    assert_int_equal(rename("agent/key.pem", "aside.pem"), 0);
    assert_int_equal(unlink("agent/cert.pem"), 0);
    open_identity(id, &err);
    assert_int_equal(rename("aside.pem", "agent/key.pem"), 0);
    assert_string_equal(open_identity(id, &err), "");
    assert_non_null(strstr(err.text, "key.pem"));
}

static void a_crash_while_making_is_repaired(void **state)
{
    (void)state;
    struct error err = {0};
    char first[SHA256_HEX_BYTES], second[SHA256_HEX_BYTES];
    open_identity(first, &err);
    /* between the key and the certificate's rename */
    assert_int_equal(rename("agent/cert.pem", "agent/cert.pem.new"), 0);
    assert_string_equal(open_identity(second, &err), first);
    assert_int_equal(access("agent/cert.pem", F_OK), 0);
    /* before the key: nobody has seen that certificate yet */
    assert_int_equal(rename("agent/cert.pem", "agent/cert.pem.new"), 0);
    assert_int_equal(unlink("agent/key.pem"), 0);
    assert_int_equal(strlen(open_identity(second, &err)), 64);
    assert_string_not_equal(second, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(made_once_and_kept, empty_folder),
        cmocka_unit_test_setup(one_alone_is_refused, empty_folder),
        cmocka_unit_test_setup(two_that_are_no_pair_are_refused, empty_folder),
        cmocka_unit_test_setup(a_crash_while_making_is_repaired, empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
