#include "updater/status.h"

#include <string.h>

#include "common/net/json_writer.h"
#include "updater/pending.h"
#include "updater/probation_file.h"
#include "updater/release_sweep.h"

struct status {
    const char *root;
    char version[RELEASE_VERSION_BYTES];
    struct release_list releases;
    struct pending pending;
    char previous[RELEASE_VERSION_BYTES];  /* "" when there is none to go back to */
    char probation[RELEASE_VERSION_BYTES]; /* what ROOT/probation names; "" */
};

static bool waits(const struct status *status)
{
    return status->pending.file[0] != '\0';
}

static bool status_read(struct status *out, struct error *err)
{
    const char *root = out->root;
    struct path config;
    if (!path_join(&config, root, "config.txt", err))
        return false;
    if (!file_exists(config.text))
        return error_set(err, ERR_NOT_FOUND,
                         "%s is no machine's folder: it has no config.txt (`updater init` makes one)", root);
    return release_current(root, out->version, err) && release_list(root, &out->releases, err) &&
           release_previous(root, out->previous, err) && probation_file_read(root, out->probation, err) &&
           pending_read(root, &out->pending, err);
}

static void write_json(const struct status *status, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "root", status->root);
    json_string(&writer, "version", status->version);
    json_array(&writer, "releases");
    for (size_t i = 0; i < status->releases.count; i++)
        json_string(&writer, NULL, status->releases.versions[i]);
    json_end_array(&writer);
    json_string(&writer, "previous", status->previous);
    json_bool(&writer, "probation", status->probation[0] != '\0');
    json_bool(&writer, "pending", waits(status));
    json_string(&writer, "state", update_state_name(status->pending.state));
    json_string(&writer, "update", status->pending.version);
    json_string(&writer, "reason", status->pending.reason);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

static void write_text(const struct status *status, struct buf *out)
{
    buf_printf(out, "root      %s\nversion   %s\nreleases ", status->root, status->version);
    for (size_t i = 0; i < status->releases.count; i++)
        buf_printf(out, " %s", status->releases.versions[i]);
    buf_printf(out, "\nprevious  %s\n", status->previous[0] == '\0' ? "none" : status->previous);
    if (status->probation[0] != '\0')
        buf_printf(out, "probation it goes back to %s unless it proves itself\n", status->probation);
    buf_printf(out, "update    %s\n", waits(status) ? "one waits in pending_update/" : "none waits");
    if (status->pending.state != UPDATE_NONE)
        buf_printf(out, "last      %s %s%s%s\n", status->pending.version,
                   update_state_name(status->pending.state), status->pending.reason[0] == '\0' ? "" : ": ",
                   status->pending.reason);
}

bool status_print(const char *root, bool json, struct buf *out, struct error *err)
{
    struct status status = {.root = root};
    bool done = status_read(&status, err);
    if (done && json)
        write_json(&status, out);
    else if (done)
        write_text(&status, out);
    pending_clear(&status.pending);
    return done && buf_check(out, "the status", err);
}
