#include "server_tools/sync_service/signer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct signer {
    struct mailbox *mailbox;
    struct rsa_private *key;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct letter *first, **end; /* of requests, in the order in which they came */
    bool stopping;
};

static void read_answer(struct letter *letter)
{
    struct sign_request *request = (struct sign_request *)letter;
    request->done(request);
}

/* NULL: it is to stop; what waits then is left in the queue. */
static struct sign_request *take_request(struct signer *signer)
{
    pthread_mutex_lock(&signer->lock);
    while (signer->first == NULL && !signer->stopping)
        pthread_cond_wait(&signer->changed, &signer->lock);
    struct letter *letter = signer->stopping ? NULL : signer->first;
    if (letter != NULL) {
        signer->first = letter->next;
        if (signer->first == NULL)
            signer->end = &signer->first;
    }
    pthread_mutex_unlock(&signer->lock);
    return (struct sign_request *)letter;
}

static void *run(void *context)
{
    struct signer *signer = context;
    struct sign_request *request;
    while ((request = take_request(signer)) != NULL) {
        request->error = (struct error){.code = ERR_NONE};
        if (!rsa_pss_sign(signer->key, view_of(request->message), request->signature,
                          &request->signature_bytes, &request->error))
            error_wrap(&request->error, "a log-in cannot be signed");
        mailbox_post(signer->mailbox, &request->letter);
    }
    return NULL;
}

/* Signals are the loop's thread's alone. */
static bool start_thread(struct signer *signer, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&signer->thread, NULL, run, signer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return true;
    errno = failed;
    return error_set_errno(err, "the thread that signs");
}

struct signer *signer_start(const char *key_file, struct mailbox *mailbox, struct error *err)
{
    struct signer *signer = calloc(1, sizeof(*signer));
    if (signer == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the thread that signs");
        return NULL;
    }
    signer->mailbox = mailbox;
    signer->end = &signer->first;
    pthread_mutex_init(&signer->lock, NULL);
    pthread_cond_init(&signer->changed, NULL);
    signer->key = rsa_private_load(key_file, err);
    if (signer->key != NULL && start_thread(signer, err))
        return signer;
    rsa_private_free(signer->key);
    pthread_cond_destroy(&signer->changed);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
    return NULL;
}

void signer_stop(struct signer *signer)
{
    if (signer == NULL)
        return;
    pthread_mutex_lock(&signer->lock);
    signer->stopping = true;
    pthread_cond_signal(&signer->changed);
    pthread_mutex_unlock(&signer->lock);
    pthread_join(signer->thread, NULL);
    struct letter *letter = signer->first;
    while (letter != NULL) {
        struct letter *next = letter->next;
        error_set(&((struct sign_request *)letter)->error, ERR_CANCELLED, "the service stops");
        mailbox_post(signer->mailbox, letter);
        letter = next;
    }
    rsa_private_free(signer->key);
    pthread_cond_destroy(&signer->changed);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
}

void signer_sign(struct signer *signer, struct sign_request *request)
{
    request->letter = (struct letter){.read = read_answer};
    pthread_mutex_lock(&signer->lock);
    *signer->end = &request->letter;
    signer->end = &request->letter.next;
    pthread_cond_signal(&signer->changed);
    pthread_mutex_unlock(&signer->lock);
}
