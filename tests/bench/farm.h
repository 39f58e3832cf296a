/* The simulated fleet as its parts share it. One thread, one loop; everything is made up. */
#ifndef TESTS_BENCH_FARM_H
#define TESTS_BENCH_FARM_H

#include <gnutls/gnutls.h>

#include "common/base/buf.h"
#include "common/os/loop.h"
#include "common/pack/gzip.h"
#include "tests/bench/farm_faults.h"
#include "tests/bench/farm_sim.h"

enum {
    FARM_ROWS_MAX = 100000,   /* of one /data */
    FARM_REQUEST_MAX = 16384, /* bytes of a request's head */
    FARM_PIECE_BYTES = 32768, /* of a body made at a time */
    FARM_SLOW_START_MS = 6000,
    FARM_TICK_MS = 250,          /* how often the slow ones are looked at */
    FARM_OWN_SOCKETS_MAX = 4000, /* more vehicles than that share one listening socket */
    FARM_PORTS = 2,              /* plain, TLS */
};

struct farm;
struct conn;

struct listener {
    struct farm *farm;
    int32_t vehicle; /* -1: all */
    bool tls;
    int fd; /* -1: closed */
    struct loop_watch *watch;
    int fillers[2]; /* our own connections that fill the queue of a black hole; -1: none */
};

struct farm_vehicle {
    enum fault fault;
    unsigned scope;
    /* Its clock: ours + offset_us + skew_ppm of the time since skew_from_us. */
    int64_t offset_us, skew_ppm, skew_from_us;
    int64_t latest_us; /* the latest that its clock has been: readings up to then are there */
    uint64_t requests, rows;
    struct listener listeners[FARM_PORTS];
};

struct farm_counts {
    uint64_t connections, requests, rows, bytes;
    uint64_t open, open_most;
};

struct farm {
    struct loop *loop;
    struct sim sim;
    const char *api_key;
    const char *folder;
    int32_t vehicle_count;
    uint16_t ports[FARM_PORTS]; /* 0: not served */
    int64_t lag_us;             /* a reading is in its store so long after its time */
    int64_t frozen_us;          /* no reading is made after it (our clock); INT64_MAX: they go on */
    struct farm_vehicle *vehicles;
    struct listener shared[FARM_PORTS];
    bool one_socket;
    struct conn *conns; /* all, doubly linked */
    struct farm_counts counts;
    struct buf scratch;
    gnutls_certificate_credentials_t certificates[2]; /* the usual one, another one */
    gnutls_priority_t priorities;
};

/* ---- farm_body.c: what is said ---- */
enum body_kind { BODY_TEXT, BODY_ROWS, BODY_ENDLESS };
/* A body that is made piece by piece. */
struct body {
    enum body_kind kind;
    struct buf text; /* BODY_TEXT: all of it; BODY_ROWS: what comes before the rows */
    enum fault fault;
    int32_t vehicle, channel_shift;
    int64_t tick, tick_step, left; /* rows */
    int32_t channel;
    uint64_t endless_left;
    bool first;
};
void body_clear(struct body *body);
/* Appends a piece to out; *ended: it was the last. */
void body_more(const struct farm *farm, struct body *body, struct buf *out, bool *ended);

int64_t farm_vehicle_now_us(struct farm *farm, int32_t vehicle);
/* The time before which its readings are there. */
int64_t farm_vehicle_until_us(struct farm *farm, int32_t vehicle);

struct request {
    struct view method;
    char target[2048];
    bool gzip, close, key_right, bearer;
    size_t body_bytes;
};
/* The status; sets body. */
unsigned body_for(struct farm *farm, int32_t vehicle, bool tls, const struct request *request,
                  enum fault fault, struct body *body);
/* What of the vehicle's answers a target belongs to. */
unsigned scope_of_target(const char *target);

/* ---- farm_conn.c ---- */
void conn_accept(struct listener *listener);
/* Of one vehicle (-1: all): every connection is reset. */
void conns_drop(struct farm *farm, int32_t vehicle);
/* Every FARM_TICK_MS: those that are slow on purpose. */
void conns_tick(struct farm *farm);

/* ---- farm_answer.c: an answer on its way ---- */
struct answer {
    struct body body;
    struct buf out; /* headers and what is made of the body, as it goes over the wire */
    size_t sent;
    struct gzip_writer *gzip;
    enum fault fault;
    bool begun, chunked, made; /* made: all of it is in out */
    bool close;                /* the connection ends with it */
    bool stall;                /* nothing comes after what is in out */
};
void answer_begin(struct farm *farm, struct answer *answer, int32_t vehicle, bool tls,
                  const struct request *request, enum fault fault);
/* Refills out when it is empty and more follows. */
void answer_more(struct farm *farm, struct answer *answer);
void answer_clear(struct answer *answer);

/* ---- farm_tls.c ---- */
bool farm_tls_open(struct farm *farm, struct error *err) MUST_USE;
void farm_tls_close(struct farm *farm);
gnutls_session_t farm_tls_session(struct farm *farm, int fd, bool other_certificate);

/* ---- farm.c ---- */
/* Opens or closes its sockets as its fault asks for. */
bool farm_listen(struct farm *farm, int32_t vehicle, struct error *err) MUST_USE;

/* ---- farm_control.c: a line of words is answered by lines and an empty one ---- */
struct control;
struct control *control_open(struct farm *farm, struct error *err) MUST_USE;
void control_close(struct control *control);

#endif
