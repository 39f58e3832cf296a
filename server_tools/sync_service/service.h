/* The parts of sync_service, opened and closed in order: main and `once` share them. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SERVICE_H
#define SERVER_TOOLS_SYNC_SERVICE_SERVICE_H

#include "server_tools/sync_service/chores.h"
#include "server_tools/sync_service/cycle.h"
#include "server_tools/sync_service/notice_sender.h"
#include "server_tools/sync_service/rollout_desk.h"
#include "server_tools/sync_service/signer.h"

enum { SERVICE_IDLE_CONNECTIONS = 20000 }; /* kept alive between cycles */

struct service {
    const struct sync_settings *settings;
    const struct clock *clock;
    const struct log *log;
    struct loop *loop;
    struct mailbox *mailbox;
    struct metrics *metrics;
    struct signer *signer;
    struct writer *writer;
    struct http_pool *pool;
    struct gap_lane *gaps;
    struct chores chores;
    struct keeper *keeper;
    struct cycle *cycle;
    struct rollout_desk *rollouts; /* NULL: no key for signed sessions was given */
    struct notice_sender *notices; /* NULL: `once` */
    struct sync_scene scene;
    bool reload; /* SIGHUP has come */
};

/* Everything is borrowed until closed. */
struct service_config {
    const struct sync_settings *settings;
    const struct clock *clock;
    const struct log *log;
    struct metrics *metrics; /* NULL: nothing is counted */
    bool lease;              /* false: leases are left alone, and every vehicle is seen (`once`) */
};

/* service: to be closed whatever comes back. Errors: ERR_USAGE (settings), ERR_MEMORY, ERR_IO; PostgreSQL
 * need not be there; when it is, the schema is brought up to date first. */
bool service_open(struct service *service, const struct service_config *config, struct error *err) MUST_USE;
void service_close(struct service *service);

/* The daemon: notices, and metrics, are served from now on; cycles begin with service_run. False: metrics are
 * served where they were. Errors: ERR_USAGE (settings), ERR_MEMORY, ERR_IO (the port is in use). */
bool service_begin(struct service *service, struct error *err) MUST_USE;
/* Until SIGTERM or SIGINT. SIGHUP: *reload is set and it returns true; it may be called again, and goes on. A
 * SIGHUP that comes with a stop is nothing. */
bool service_run(struct service *service, bool *reload, struct error *err) MUST_USE;

#endif
