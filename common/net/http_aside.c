/* Handlers that may wait: on a thread of their own, while libmicrohttpd has put their connection aside. */
#include "common/net/http_internal.h"

void http_answer_aside(struct http_request *request, void (*handle)(struct http_request *request))
{
    request->aside = handle;
}

static void *run(void *context)
{
    struct http_aside *aside = context;
    pthread_mutex_lock(aside->lock); /* its connection has been put aside by then */
    struct http_request *request = aside->request;
    pthread_mutex_unlock(aside->lock);
    aside->handle(request);
    pthread_mutex_lock(aside->lock);
    aside->state = HTTP_ASIDE_ENDS; /* before its client has the answer, and asks for the next one */
    pthread_mutex_unlock(aside->lock);
    MHD_resume_connection(request->connection); /* the request is its connection's again from here on */
    return NULL;
}

/* One that ends waits for nobody any more, so neither does who joins it. */
static struct http_aside *free_place(struct http_server *server)
{
    for (size_t i = 0; i < COUNT_OF(server->asides); i++) {
        struct http_aside *aside = &server->asides[i];
        if (aside->state == HTTP_ASIDE_RUNS)
            continue;
        if (aside->state == HTTP_ASIDE_ENDS)
            pthread_join(aside->thread, NULL);
        aside->state = HTTP_ASIDE_NONE;
        return aside;
    }
    return NULL;
}

static bool start(struct http_server *server, struct http_request *request)
{
    struct http_aside *aside = atomic_load(&server->stopping) ? NULL : free_place(server);
    if (aside == NULL)
        return false;
    aside->lock = &server->asides_lock;
    aside->request = request;
    aside->handle = request->aside;
    if (pthread_create(&aside->thread, NULL, run, aside) != 0)
        return false;
    aside->state = HTTP_ASIDE_RUNS;
    request->aside = NULL;
    request->was_aside = true;
    MHD_suspend_connection(request->connection);
    return true;
}

bool http_aside_start(struct http_request *request)
{
    struct http_server *server = request->server;
    pthread_mutex_lock(&server->asides_lock);
    bool started = start(server, request);
    pthread_mutex_unlock(&server->asides_lock);
    return started;
}

void http_asides_wait(struct http_server *server)
{
    for (size_t i = 0; i < COUNT_OF(server->asides); i++) {
        struct http_aside *aside = &server->asides[i];
        pthread_mutex_lock(&server->asides_lock);
        bool begun = aside->state != HTTP_ASIDE_NONE;
        pthread_mutex_unlock(&server->asides_lock);
        if (begun)
            pthread_join(aside->thread, NULL);
        aside->state = HTTP_ASIDE_NONE; /* nobody else looks at it any more */
    }
}
