#include "portal/status.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/crypto/cert.h"
#include "common/net/json.h"
#include "portal/alarms.h"

enum { STATE_FILE_MAX_BYTES = 256 * 1024, LAST_SYNC_MAX_BYTES = 1024, NAME_BYTES = HOST_NAME_MAX + 1 };

/* ---- files of the other programs ---- */

/* Reads ROOT/<name>, an object. text: outlives the document. The line breaks between its values become
 * blanks: an event's data is one line. NULL when it is missing or damaged. */
static struct json *read_state(const struct portal *portal, const char *name, struct buf *text)
{
    struct path path;
    struct error err;
    const char *root = portal->daemon.appliance.root;
    if (!path_printf(&path, &err, "%s/%s", root, name) || !file_read_path(path.text, text, &err)) {
        if (err.code != ERR_NOT_FOUND)
            log_warn(&portal->daemon.log, "%s: %s", name, err.text);
        return NULL;
    }
    for (size_t i = 0; i < text->size; i++) {
        if (text->data[i] == '\n' || text->data[i] == '\r')
            text->data[i] = ' ';
    }
    SCOPE_JSON struct json *json = json_parse(buf_view(text), STATE_FILE_MAX_BYTES, &err);
    if (json == NULL || json_type_of(json_root(json)) != JSON_OBJECT) {
        log_warn(&portal->daemon.log, "%s: %s", name, json == NULL ? err.text : "no object");
        return NULL;
    }
    return POINTER_TAKE(json);
}

/* Copies a member as it is; null when it is absent. */
static void copy_member(struct json_writer *writer, struct json_value object, const char *key)
{
    struct json_value member = json_member(object, key);
    if (json_present(member))
        json_raw_text(writer, key, json_raw(member));
    else
        json_null(writer, key);
}

static bool is_alive(struct json_value watchdog)
{
    int64_t pid;
    if (!json_get_i64(json_member(watchdog, "pid"), 1, INT_MAX, &pid))
        return false;
    return kill((pid_t)pid, 0) == 0 || errno == EPERM; /* EPERM: it is there, and another user's */
}

static void write_watchdog(const struct portal *portal, struct json_writer *writer)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(STATE_FILE_MAX_BYTES);
    SCOPE_JSON struct json *json = read_state(portal, "run/" STATUS_WATCHDOG_FILE, &text);
    if (json == NULL) {
        json_null(writer, "watchdog");
        json_null(writer, "services");
        return;
    }
    struct json_value root = json_root(json);
    json_object(writer, "watchdog");
    json_string(writer, "state", is_alive(root) ? "running" : "stopped");
    copy_member(writer, root, "time");
    copy_member(writer, root, "version");
    json_end_object(writer);
    copy_member(writer, root, "services");
}

/* A file's object as a member; null when there is none. */
static void write_file(const struct portal *portal, struct json_writer *writer, const char *key,
                       const char *name)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(STATE_FILE_MAX_BYTES);
    SCOPE_JSON struct json *json = read_state(portal, name, &text);
    if (json == NULL)
        json_null(writer, key);
    else
        json_raw_text(writer, key, json_raw(json_root(json)));
}

void status_write_health(const struct portal *portal, struct json_writer *writer)
{
    write_watchdog(portal, writer);
    write_file(portal, writer, "collector", "run/" STATUS_COLLECTOR_FILE);
}

/* ---- the machine ---- */

static void write_name(struct json_writer *writer)
{
    char name[NAME_BYTES];
    if (gethostname(name, sizeof(name)) != 0)
        name[0] = '\0';
    name[sizeof(name) - 1] = '\0';
    json_string(writer, "name", name);
}

static void write_agent_id(const struct portal *portal, struct json_writer *writer)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    struct path path;
    SCOPE_BUF struct buf pem = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    char agent_id[SHA256_HEX_BYTES];
    if (appliance_path(appliance, appliance->config.agent_cert_file, &path, NULL) &&
        file_read_path(path.text, &pem, NULL) && cert_agent_id(buf_view(&pem), agent_id, NULL))
        json_string(writer, "agent_id", agent_id);
    else
        json_null(writer, "agent_id"); /* the agent makes its certificate on its first start */
}

/* The first word of agent/last_sync.txt is a time. */
static void write_last_sync(const struct portal *portal, struct json_writer *writer)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(LAST_SYNC_MAX_BYTES);
    int64_t utc_us = INT64_MIN;
    if (appliance_path(&portal->daemon.appliance, "agent/last_sync.txt", &path, NULL) &&
        file_read_path(path.text, &text, NULL)) {
        const char *word = buf_text(&text);
        if (!rfc3339_parse_us((struct view){word, strcspn(word, " \t\r\n")}, &utc_us))
            utc_us = INT64_MIN;
    }
    json_time_us(writer, "last_sync", utc_us);
}

static void write_disk(const struct portal *portal, struct json_writer *writer)
{
    uint64_t free_bytes;
    json_object(writer, "disk");
    if (disk_free_bytes(portal->data_folder.text, &free_bytes, NULL))
        json_u64(writer, "free_bytes", free_bytes);
    else
        json_null(writer, "free_bytes");
    json_end_object(writer);
}

/* ---- the store ---- */

static double days_held(const struct store_state *state)
{
    if (state->first_time_us == INT64_MIN || state->last_time_us <= state->first_time_us)
        return 0;
    return (double)(state->last_time_us - state->first_time_us) / US_PER_S / (24 * 60 * 60);
}

static const char *why_no_store(const struct error *err)
{
    if (err->code == ERR_NOT_FOUND)
        return "missing";
    return err->code == ERR_CORRUPT ? "corrupt" : "failing";
}

static void write_store(const struct portal *portal, struct json_writer *writer)
{
    struct readings_state state;
    struct error err;
    json_object(writer, "store");
    if (readings_state(portal->readings, &state, &err)) {
        json_string(writer, "state", "ok");
        json_string(writer, "store_id", state.store_id);
        json_i64(writer, "readings", state.store.readings);
        json_time_us(writer, "oldest", state.store.first_time_us);
        json_time_us(writer, "newest", state.store.last_time_us);
        json_i64(writer, "bytes", state.bytes);
        json_double(writer, "days_held", days_held(&state.store));
    } else {
        json_string(writer, "state", why_no_store(&err));
        json_string(writer, "detail", err.text);
    }
    json_end_object(writer);
}

void status_write(const struct portal *portal, struct json_writer *writer)
{
    const struct daemon *daemon = &portal->daemon;
    int64_t now_us = clock_monotonic_us(daemon->clock);
    json_object(writer, NULL);
    json_string(writer, "product", daemon->appliance.config.product);
    json_string(writer, "version", daemon->appliance.version);
    write_name(writer);
    write_agent_id(portal, writer);
    json_time_us(writer, "time", clock_utc_us(daemon->clock));
    json_i64(writer, "uptime_s", (now_us - portal->started_us) / US_PER_S);
    json_i64(writer, "machine_uptime_s", now_us / US_PER_S); /* the clock counts since boot */
    json_i64(writer, "sample_interval_ms", daemon->appliance.config.sample_interval_ms);
    write_store(portal, writer);
    write_disk(portal, writer);
    write_last_sync(portal, writer);
    write_file(portal, writer, "contacts", "agent/contacts.json");
    alarms_write_state(portal, writer);
    json_string(writer, "portal_language", daemon->appliance.config.portal_language);
    json_i64(writer, "retention_days", daemon->appliance.config.retention_days);
    json_i64(writer, "max_store_bytes", daemon->appliance.config.max_store_bytes);
    status_write_health(portal, writer);
    json_end_object(writer);
}
