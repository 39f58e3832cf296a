#include "watchdog/service.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/os/process_tree.h"

enum {
    SETTING_BYTES = PATH_LIMIT_BYTES + 32,
};

static const char *const built_in[] = {"collector", "agent", "portal"};

/* ---- the list ------------------------------------------------------------------------------------------ */

/* Takes the quotes out of a word, --name="two words" included, and ends it with a NUL, in place. */
static const char *end_word(char *text, struct view word)
{
    char *begin = text + (word.data - text);
    char *out = begin;
    for (size_t i = 0; i < word.size; i++) {
        if (begin[i] != '"')
            *out++ = begin[i];
    }
    *out = '\0';
    return begin;
}

/* `name word word ...`: config.c has checked that a name and a command are there. */
static bool parse_command(struct service *service, const char *line, struct error *err)
{
    struct view word;
    size_t count = 0;
    if (!text_copy(service->text, sizeof(service->text), view_of(line)))
        return error_set(err, ERR_LIMIT, "SERVICE %s: the line is too long", line);
    struct view rest = view_of(service->text);
    if (!config_next_word(&rest, &word) || !text_copy(service->name, sizeof(service->name), word))
        return error_set(err, ERR_USAGE, "SERVICE %s: expected a name of at most %d characters", line,
                         SERVICE_NAME_BYTES - 1);
    while (config_next_word(&rest, &word)) {
        if (count == SERVICE_WORDS_MAX)
            return error_set(err, ERR_USAGE, "SERVICE %s: expected at most %d words", service->name,
                             SERVICE_WORDS_MAX);
        /* rest begins at the blank behind the word, which the NUL takes */
        if (rest.size > 0) {
            rest.data++;
            rest.size--;
        }
        service->words[count++] = end_word(service->text, word);
    }
    if (count == 0)
        return error_set(err, ERR_USAGE, "SERVICE %s: expected a command behind the name", service->name);
    return true;
}

/* The next of the list, with a name that no other has. */
static bool add_service(struct service_list *list, const char *name_or_line, bool is_built_in,
                        const struct clock *clock, struct error *err)
{
    struct service *service = &list->items[list->count];
    service->built_in = is_built_in;
    service->guard_fd = -1;
    supervisor_init(&service->machine, clock);
    if (is_built_in)
        snprintf(service->name, sizeof(service->name), "%s", name_or_line);
    else if (!parse_command(service, name_or_line, err))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, service->name) == 0)
            return error_set(err, ERR_USAGE, "SERVICE %s: this name is taken", service->name);
    }
    list->count++;
    return true;
}

static bool add_all(struct service_list *list, const struct config_lines *lines, const struct clock *clock,
                    struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(built_in); i++) {
        if (!add_service(list, built_in[i], true, clock, err))
            return false;
    }
    for (size_t i = 0; i < lines->count; i++) {
        if (!add_service(list, lines->lines[i], false, clock, err))
            return error_wrap(err, "config.txt:%u", lines->line_numbers[i]);
    }
    return true;
}

bool service_list_make(struct service_list *list, const struct appliance_config *config,
                       const struct clock *clock, struct error *err)
{
    size_t count = COUNT_OF(built_in) + config->services.count;
    if (count > SERVICES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d services", SERVICES_MAX);
    struct service_list made = {calloc(count, sizeof(*made.items)), 0};
    if (made.items == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the services");
    if (!add_all(&made, &config->services, clock, err)) {
        service_list_clear(&made);
        return false;
    }
    *list = made;
    return true;
}

void service_list_clear(struct service_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        scope_fd(&list->items[i].guard_fd);
        service_log_close(&list->items[i].log);
    }
    free(list->items);
    *list = (struct service_list){.items = NULL};
}

/* ---- processes ----------------------------------------------------------------------------------------- */

static bool start_built_in(struct service *service, const struct service_setup *setup,
                           struct process_spec spec, struct error *err)
{
    struct path program;
    if (!path_join(&program, setup->program_folder, service->name, err))
        return false;
    const char *const argv[] = {program.text, "--root", setup->root, NULL};
    spec.argv = argv;
    spec.user = setup->user[0] != '\0' ? setup->user : NULL;
    spec.parent_death_signal = SIGKILL;
    return process_start(&spec, &service->pid, err);
}

static bool start_guarded(struct service *service, const struct service_setup *setup,
                          struct process_spec spec, struct error *err)
{
    spec.argv = (const char *const *)service->words;
    return guard_start(setup->watchdog, setup->user[0] != '\0' ? setup->user : NULL, spec, &service->pid,
                       &service->guard_fd, err);
}

bool service_start_process(struct service *service, const struct service_setup *setup, struct error *err)
{
    char notify[SETTING_BYTES];
    char beat[SETTING_BYTES];
    snprintf(notify, sizeof(notify), "NOTIFY_SOCKET=%s", setup->notify_socket);
    snprintf(beat, sizeof(beat), "WATCHDOG_USEC=%lld", (long long)SERVICE_BEAT_TIMEOUT_S * US_PER_S);
    const char *const environment[] = {notify, beat, NULL};
    struct process_spec spec = PROCESS_SPEC;
    spec.environment = environment;
    spec.folder = setup->root;
    spec.stdout_fd = service->log.write_fd;
    spec.stderr_fd = service->log.write_fd;
    spec.new_group = true;
    bool ok = service->built_in ? start_built_in(service, setup, spec, err)
                                : start_guarded(service, setup, spec, err);
    service->used_at_us = clock_monotonic_us(service->log.file.clock);
    service->used_cpu_s = 0;
    service->cpu_percent = 0;
    service->status[0] = '\0';
    return ok;
}

void service_ask_process(const struct service *service)
{
    if (service->pid <= 0)
        return;
    kill(service->pid, SIGTERM);
    kill(service->pid, SIGCONT);
}

void service_kill_process(const struct service *service)
{
    if (service->pid <= 0)
        return;
    kill(service->pid, SIGKILL);
    kill(-service->pid, SIGKILL);
}

void service_forget_process(struct service *service)
{
    service->pid = 0;
    scope_fd(&service->guard_fd);
    service->guard_fd = -1;
    service->cpu_percent = 0;
    service->rss_bytes = 0;
}

/* A guard's command is what is asked about: all that lives below it, and itself. */
static void tree_usage(pid_t root, double *cpu_s, uint64_t *rss_bytes)
{
    *cpu_s = 0;
    *rss_bytes = 0;
    SCOPE_FREE struct process_tree *tree = malloc(sizeof(*tree));
    if (tree == NULL || !process_tree_read(root, NULL, 0, tree))
        return;
    if (tree->count < PROCESS_TREE_MAX)
        tree->pids[tree->count++] = root;
    for (size_t i = 0; i < tree->count; i++) {
        double cpu;
        uint64_t rss;
        if (!process_usage(tree->pids[i], &cpu, &rss))
            continue;
        *cpu_s += cpu;
        *rss_bytes += rss;
    }
}

void service_sample_usage(struct service *service, const struct clock *clock)
{
    double cpu_s = 0;
    uint64_t rss_bytes = 0;
    if (service->pid <= 0)
        return;
    if (!service->built_in)
        tree_usage(service->pid, &cpu_s, &rss_bytes);
    else if (!process_usage(service->pid, &cpu_s, &rss_bytes))
        return;
    int64_t now_us = clock_monotonic_us(clock);
    int64_t passed_us = now_us - service->used_at_us;
    /* a tree may use less than before: its ended members no longer count */
    double used_s = cpu_s > service->used_cpu_s ? cpu_s - service->used_cpu_s : 0;
    if (passed_us > 0)
        service->cpu_percent = round(used_s * US_PER_S / (double)passed_us * 1000) / 10;
    service->used_at_us = now_us;
    service->used_cpu_s = cpu_s;
    service->rss_bytes = rss_bytes;
}
