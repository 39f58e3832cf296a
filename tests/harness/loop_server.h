/* A server of raw bytes inside the loop of the test itself: every request is answered by one script, true or
 * false as HTTP. Threads: one, the loop's. */
#ifndef TESTS_HARNESS_LOOP_SERVER_H
#define TESTS_HARNESS_LOOP_SERVER_H

#include "common/base/buf.h"
#include "common/os/loop.h"

enum { LOOP_SERVER_PEERS = 512, LOOP_SERVER_REQUEST_BYTES = 4 * 1024 * 1024 };

enum loop_server_then {
    THEN_KEEP,    /* serve further requests on the connection */
    THEN_CLOSE,   /* close it */
    THEN_SILENT,  /* keep it open and say nothing more */
    THEN_TRICKLE, /* the answer's last byte again and again, every TRICKLE_MS */
    THEN_FLOOD,   /* the answer's last byte again and again, as fast as it is taken */
};

struct loop_server_script {
    struct view answer;
    enum loop_server_then then;
    int answer_after_ms; /* of silence; 0: at once */
};

struct loop_server_peer {
    struct loop_server *server;
    int fd; /* -1: free */
    struct loop_watch *watch, *timer;
    struct buf request;
    size_t sent; /* of the answer */
    bool answering, continued;
};

struct loop_server {
    struct loop *loop;
    int listener;
    uint16_t port;
    struct loop_watch *watch;
    struct loop_server_script script; /* may be changed between requests */
    struct loop_server_peer peers[LOOP_SERVER_PEERS];
    unsigned connections, requests; /* so far */
    unsigned busy, busy_most;       /* requests that are being answered */
    unsigned open;                  /* connections now */
    uint64_t flooded;               /* bytes */
    bool continues;                 /* who expects 100 Continue gets it, else the answer */
    bool deaf;                      /* behind the 100 Continue nothing is read any more */
    unsigned hold;   /* answered when so many requests wait for it, all at once; 0: each at once */
    struct buf seen; /* the last request, head and body */
    char *log;       /* targets' first letters in order; may be NULL, else 256 bytes */
};

void loop_server_start(struct loop_server *server, struct loop *loop, struct loop_server_script script);
void loop_server_stop(struct loop_server *server);
/* Answers what is held, and holds nothing any more. */
void loop_server_release(struct loop_server *server);
/* Closes every connection; it goes on listening. */
void loop_server_drop_all(struct loop_server *server);

#endif
