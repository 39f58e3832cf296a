#include "updater/status.h"

#include <string.h>

#include "common/net/json_writer.h"
#include "updater/release.h"

struct status {
    const char *root;
    char version[RELEASE_VERSION_BYTES];
    struct release_list releases;
    bool pending; /* a package waits in pending_update/ */
};

static bool status_read(struct status *out, struct error *err)
{
    const char *root = out->root;
    struct path config;
    struct path meta;
    if (!path_join(&config, root, "config.txt", err) ||
        !path_join(&meta, root, "pending_update/meta.json", err))
        return false;
    if (!file_exists(config.text))
        return error_set(err, ERR_NOT_FOUND,
                         "%s is no machine's folder: it has no config.txt (`updater init` makes one)", root);
    out->pending = file_exists(meta.text);
    if (!release_current(root, out->version, err) || !release_list(root, &out->releases, err))
        return false;
    return true;
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
    json_bool(&writer, "pending", status->pending);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

static void write_text(const struct status *status, struct buf *out)
{
    buf_printf(out, "root      %s\nversion   %s\nreleases ", status->root, status->version);
    for (size_t i = 0; i < status->releases.count; i++)
        buf_printf(out, " %s", status->releases.versions[i]);
    buf_printf(out, "\nupdate    %s\n", status->pending ? "one waits in pending_update/" : "none waits");
}

bool status_print(const char *root, bool json, struct buf *out, struct error *err)
{
    struct status status = {.root = root};
    if (!status_read(&status, err))
        return false;
    if (json)
        write_json(&status, out);
    else
        write_text(&status, out);
    return buf_check(out, "the status", err);
}
