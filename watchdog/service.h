/* The supervised services: the three built-in ones and each SERVICE of the config, and how a process of one
 * is started and ended. Knows nothing of when (supervisor.h) or of the loop. */
#ifndef WATCHDOG_SERVICE_H
#define WATCHDOG_SERVICE_H

#include "common/app/appliance.h"
#include "common/os/guard.h"
#include "watchdog/service_log.h"
#include "watchdog/supervisor.h"

enum {
    SERVICE_NAME_BYTES = 33,
    SERVICE_WORDS_MAX = GUARD_WORDS_MAX, /* of a SERVICE's command */
    SERVICE_STATUS_BYTES = 256,
    SERVICE_EXIT_BYTES = 256,
    SERVICES_MAX = 64, /* the built-in ones included */
};

struct service {
    char name[SERVICE_NAME_BYTES];
    bool built_in;                            /* a program of the release; else a command under a guard */
    char text[CONFIG_TEXT_BYTES];             /* the command, cut into words; not for built-in ones */
    const char *words[SERVICE_WORDS_MAX + 1]; /* into text, NULL-terminated */
    struct service_machine machine;
    pid_t pid;    /* its process, or its guard's; 0: none */
    int guard_fd; /* the writing end of the guard's pipe: while it is open, the guard knows that we live */
    struct service_log log;
    char status[SERVICE_STATUS_BYTES]; /* its last STATUS= */
    char exit[SERVICE_EXIT_BYTES];     /* how its last process ended; "": none did yet */
    int64_t used_at_us;                /* monotonic: of the next three */
    double used_cpu_s;
    double cpu_percent;
    uint64_t rss_bytes;
};

struct service_list {
    struct service *items; /* in the order of their start */
    size_t count;
};

/* Stopped services without a log. Errors: ERR_USAGE (a name twice, a command of too many words), ERR_LIMIT,
 * ERR_MEMORY. */
bool service_list_make(struct service_list *list, const struct appliance_config *config,
                       const struct clock *clock, struct error *err) MUST_USE;
void service_list_clear(struct service_list *list); /* closes the logs too */

/* What the processes of all services have in common. Paths are absolute. */
struct service_setup {
    const char *root;
    const char *program_folder; /* ROOT/releases/<version>/bin */
    const char *watchdog;       /* our own program: it is the guard too */
    const char *user;           /* "": ours */
    const char *notify_socket;
};

/* Errors: what process_start says, e.g. ERR_NOT_FOUND for a missing program. A built-in service is killed by
 * the kernel when we die: SIGKILL, because one that hangs must not outlive us, and none of them loses
 * committed readings by it. */
bool service_start_process(struct service *service, const struct service_setup *setup,
                           struct error *err) MUST_USE;
/* SIGTERM, also to one that was stopped by SIGSTOP. */
void service_ask_process(const struct service *service);
/* SIGKILL to its whole process group; a guard's tree becomes ours to end. */
void service_kill_process(const struct service *service);
/* It was reaped. */
void service_forget_process(struct service *service);

/* Looks again how much CPU and memory it uses. */
void service_sample_usage(struct service *service, const struct clock *clock);

#endif
