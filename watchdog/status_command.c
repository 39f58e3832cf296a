#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "common/os/file.h"
#include "watchdog/instance.h"
#include "watchdog/status.h"

enum {
    SHOWN_BYTES = 256,
    AGE_BYTES = 24,
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
};

struct row {
    char name[SERVICE_NAME_BYTES];
    char state[SHOWN_BYTES], since[SHOWN_BYTES], last_exit[SHOWN_BYTES], status[SHOWN_BYTES];
    int64_t pid, restarts, rss_bytes;
    double cpu_percent;
};

static void read_row(struct json_value value, struct row *out)
{
    *out = (struct row){.pid = 0};
    (void)!json_get_string(json_member(value, "name"), out->name, sizeof(out->name));
    (void)!json_get_string(json_member(value, "state"), out->state, sizeof(out->state));
    (void)!json_get_string(json_member(value, "since"), out->since, sizeof(out->since));
    (void)!json_get_string(json_member(value, "last_exit"), out->last_exit, sizeof(out->last_exit));
    (void)!json_get_string(json_member(value, "status"), out->status, sizeof(out->status));
    /* a service may pass on what a device calls itself: nothing of it commands our terminal */
    text_make_printable(out->last_exit);
    text_make_printable(out->status);
    (void)!json_get_i64(json_member(value, "pid"), 0, INT32_MAX, &out->pid);
    (void)!json_get_i64(json_member(value, "restarts"), 0, INT64_MAX, &out->restarts);
    (void)!json_get_i64(json_member(value, "rss_bytes"), 0, INT64_MAX, &out->rss_bytes);
    (void)!json_get_double(json_member(value, "cpu_percent"), &out->cpu_percent);
}

/* "3 d 4 h", "5 m 12 s" */
static void age_text(char out[AGE_BYTES], const char *since)
{
    int64_t since_us;
    out[0] = '\0';
    if (!rfc3339_parse_us(view_of(since), &since_us))
        return;
    int64_t s = (clock_utc_us(clock_system()) - since_us) / US_PER_S;
    if (s < 0)
        s = 0;
    if (s >= DAY_S)
        snprintf(out, AGE_BYTES, "%" PRId64 " d %" PRId64 " h", s / DAY_S, s % DAY_S / HOUR_S);
    else if (s >= HOUR_S)
        snprintf(out, AGE_BYTES, "%" PRId64 " h %" PRId64 " m", s / HOUR_S, s % HOUR_S / MINUTE_S);
    else if (s >= MINUTE_S)
        snprintf(out, AGE_BYTES, "%" PRId64 " m %" PRId64 " s", s / MINUTE_S, s % MINUTE_S);
    else
        snprintf(out, AGE_BYTES, "%" PRId64 " s", s);
}

static void print_row(const struct row *row)
{
    char age[AGE_BYTES];
    char memory[TEXT_SIZE_BYTES] = "-";
    char pid[AGE_BYTES] = "-";
    age_text(age, row->since);
    if (row->pid > 0) {
        snprintf(pid, sizeof(pid), "%" PRId64, row->pid);
        text_bytes_for_people(memory, (uint64_t)row->rss_bytes);
    }
    const char *note = row->status[0] != '\0' ? row->status : row->last_exit;
    printf("%-16s %-9s %8s %12s %9" PRId64 " %6.1f %11s  %s\n", row->name, row->state, pid, age,
           row->restarts, row->cpu_percent, memory, note);
}

static bool all_run(struct json_value services)
{
    char state[SHOWN_BYTES];
    for (struct json_value at = {.json = NULL}; json_next(services, &at, NULL);) {
        if (!json_get_string(json_member(at, "state"), state, sizeof(state)) || strcmp(state, "running") != 0)
            return false;
    }
    return json_count(services) > 0;
}

static void print_table(struct json_value root)
{
    char version[SHOWN_BYTES] = "";
    int64_t pid = 0;
    (void)!json_get_string(json_member(root, "version"), version, sizeof(version));
    (void)!json_get_i64(json_member(root, "pid"), 0, INT32_MAX, &pid);
    printf("version %s, watchdog %" PRId64 "\n%-16s %-9s %8s %12s %9s %6s %11s\n", version, pid, "service",
           "state", "pid", "for", "restarts", "cpu %", "memory");
    for (struct json_value at = {.json = NULL}; json_next(json_member(root, "services"), &at, NULL);) {
        struct row row;
        read_row(at, &row);
        print_row(&row);
    }
}

static int not_running(const char *root, bool json)
{
    if (json)
        printf("{\"running\":false,\"services\":[]}\n");
    else
        printf("no watchdog runs for %s\n", root);
    return 1;
}

/* Between taking the lock and its first word, a watchdog has only what an earlier one left. */
static bool is_fresh(struct json_value status)
{
    int64_t pid;
    return json_get_i64(json_member(status, "pid"), 1, INT32_MAX, &pid) &&
           (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

int status_command(const char *root, bool json)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(STATUS_MAX_BYTES);
    SCOPE_JSON struct json *document = NULL;
    if (!instance_runs(root))
        return not_running(root, json);
    if (path_join(&path, root, "run/status.json", NULL) && file_read_path(path.text, &text, NULL))
        document = json_parse(buf_view(&text), STATUS_MAX_BYTES, NULL);
    if (document == NULL || !is_fresh(json_root(document)))
        return not_running(root, json);
    struct json_value status = json_root(document);
    if (json)
        printf("{\"running\":true,%.*s", (int)text.size - 1, text.data + 1);
    else
        print_table(status);
    return all_run(json_member(status, "services")) ? 0 : 1;
}
