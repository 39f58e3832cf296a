#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

#include "server_tools/sync_service/signer.h"
#include "tests/harness/test_folder.h"
#include "tests/unit/common/crypto/rsa_vectors.h"

/* MANY: seconds of signing, so that a stop that comes late still finds some that wait. */
enum { REQUESTS = 8, MANY = 5000 };

/* A request and whom it tells. */
struct asked {
    struct sign_request request; /* first */
    struct fixture *fixture;
};

struct fixture {
    struct test_folder folder;
    struct path key_file;
    struct rsa_public *public_key;
    struct loop *loop;
    struct mailbox *mailbox;
    struct asked asked[MANY];
    size_t order[MANY];
    size_t done, wanted;
};

static void note(struct sign_request *request)
{
    struct asked *asked = (struct asked *)request;
    struct fixture *fixture = asked->fixture;
    fixture->order[fixture->done++] = (size_t)(asked - fixture->asked);
    if (fixture->done == fixture->wanted)
        loop_stop(fixture->loop);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_true(test_folder_make(&fixture->folder));
    fixture->key_file = test_folder_path(&fixture->folder, "key.pem");
    assert_true(test_folder_write(&fixture->folder, "key.pem", vector_private_pkcs8));
    assert_int_equal(chmod(fixture->key_file.text, 0600), 0);
    fixture->public_key = rsa_public_parse(view_of(vector_public), NULL);
    fixture->loop = loop_new(NULL);
    *state = fixture;
    if (fixture->public_key == NULL || fixture->loop == NULL)
        return -1;
    fixture->mailbox = mailbox_new(fixture->loop, NULL);
    return fixture->mailbox != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mailbox_free(fixture->mailbox);
    loop_free(fixture->loop);
    rsa_public_free(fixture->public_key);
    test_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

static void ask(struct fixture *fixture, struct signer *signer, size_t count)
{
    fixture->wanted = count;
    for (size_t i = 0; i < count; i++) {
        struct asked *asked = &fixture->asked[i];
        asked->fixture = fixture;
        asked->request.done = note;
        snprintf(asked->request.message, sizeof(asked->request.message), "message %zu", i);
        signer_sign(signer, &asked->request);
    }
}

static void signatures_come_in_order_and_hold(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct signer *signer = signer_start(fixture->key_file.text, fixture->mailbox, &err);
    assert_non_null(signer);
    ask(fixture, signer, REQUESTS);
    assert_int_equal(fixture->done, 0);
    assert_true(loop_run(fixture->loop, &err));
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct sign_request *request = &fixture->asked[i].request;
        assert_int_equal(fixture->order[i], i);
        assert_int_equal(request->error.code, ERR_NONE);
        assert_true(
            rsa_pss_verify(fixture->public_key, view_of(request->message),
                           (struct view){(const char *)request->signature, request->signature_bytes}));
    }
    signer_stop(signer);
}

static void what_waits_at_the_end_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct signer *signer = signer_start(fixture->key_file.text, fixture->mailbox, &err);
    assert_non_null(signer);
    ask(fixture, signer, MANY);
    signer_stop(signer);
    mailbox_free(fixture->mailbox);
    fixture->mailbox = NULL;
    assert_int_equal(fixture->done, MANY);
    assert_int_equal(fixture->asked[MANY - 1].request.error.code, ERR_CANCELLED);
}

static void a_key_that_is_not_there_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    assert_null(signer_start("/nonexistent/key.pem", fixture->mailbox, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signatures_come_in_order_and_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_there_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
