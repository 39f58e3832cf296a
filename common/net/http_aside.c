/* Handlers that may wait: on a thread of their own, while libmicrohttpd has put their connection aside. */
#include "common/net/http_internal.h"

void http_answer_aside(struct http_request *request, void (*handle)(struct http_request *request))
{
    request->aside = handle;
}

static void *run(void *context)
{
    struct http_request *request = context;
    struct http_server *server = request->server;
    void (*handle)(struct http_request *) = request->aside;
    request->aside = NULL;
    request->was_aside = true;
    handle(request);
    MHD_resume_connection(request->connection); /* the request is its connection's again from here on */
    pthread_mutex_lock(&server->asides_lock);
    server->asides--;
    pthread_cond_signal(&server->asides_fewer);
    pthread_mutex_unlock(&server->asides_lock);
    return NULL;
}

bool http_aside_start(struct http_request *request)
{
    struct http_server *server = request->server;
    pthread_t thread;
    pthread_mutex_lock(&server->asides_lock);
    bool room = !atomic_load(&server->stopping) && server->asides < HTTP_ASIDES_MAX;
    if (room) {
        MHD_suspend_connection(request->connection);
        if (pthread_create(&thread, NULL, run, request) == 0) {
            pthread_detach(thread);
            server->asides++;
        } else {
            MHD_resume_connection(request->connection);
            room = false;
        }
    }
    pthread_mutex_unlock(&server->asides_lock);
    return room;
}

void http_asides_wait(struct http_server *server)
{
    pthread_mutex_lock(&server->asides_lock);
    while (server->asides > 0)
        pthread_cond_wait(&server->asides_fewer, &server->asides_lock);
    pthread_mutex_unlock(&server->asides_lock);
}
