#include "agent/support_bundle.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/support_facts.h"
#include "agent/support_file.h"
#include "agent/support_listing.h"
#include "agent/support_logs.h"
#include "agent/support_secrets.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/os/beneath.h"
#include "common/pack/packer.h"
#include "common/pack/tar_writer.h"

enum {
    ENTRY_MODE = 0600,
    MANIFEST_MAX_BYTES = 256 * 1024,
    TEXT_MAX_BYTES = SUPPORT_LISTING_MAX_BYTES,
    ENTRY_MIN_BYTES = 1024, /* of what is left: below, no more file is begun */
    HOST_BYTES = 65,
};

struct support_bundle {
    struct support_scene scene;
    int root_fd;
    struct secret_mask *mask;
    struct tar_writer *tar;
    struct packer *packer;
    struct support_logs logs;
    char name[SUPPORT_NAME_BYTES];
    int64_t began_us; /* monotonic */

    size_t next_item, next_log;
    struct support_file file; /* on its way; fd -1: none */
    char file_name[NAME_MAX + 16];
    struct buf manifest;
    int64_t left_bytes; /* of SUPPORT_MAX_BYTES */

    struct view pending; /* of the archive, not yet compressed */
    bool archived;       /* the archive's end is in pending or behind it */
    bool ended, whole;
    int64_t bytes;
};

/* ---- names ----------------------------------------------------------------------------------------------
 */

/* What no name should have becomes `_`. */
static void make_plain(char *text)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@/";
    for (; (text += strspn(text, good))[0] != '\0'; text++)
        *text = '_';
}

static void make_name(struct support_bundle *bundle)
{
    char host[HOST_BYTES] = "";
    char time[RFC3339_S_BYTES];
    char compact[RFC3339_S_BYTES];
    size_t size = 0;
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof(host), "machine");
    make_plain(host);
    for (char *slash = host; (slash = strchr(slash, '/')) != NULL;)
        *slash = '_';
    rfc3339_format_s(time, clock_utc_us(bundle->scene.clock));
    for (const char *at = time; *at != '\0'; at++) {
        if (*at != '-' && *at != ':')
            compact[size++] = *at;
    }
    compact[size] = '\0';
    snprintf(bundle->name, sizeof(bundle->name), "telehaul-support-%s-%s", host, compact);
}

static void note(struct support_bundle *bundle, const char *name, const char *what)
{
    buf_printf(&bundle->manifest, "%-28s %s\n", name, what);
}

/* An error may name a file, and a name may hold anything. */
static void note_error(struct support_bundle *bundle, const char *name, struct error *why)
{
    text_make_printable(why->text);
    note(bundle, name, why->code == ERR_NOT_FOUND ? "not there" : why->text);
}

/* ---- entries of the archive ------------------------------------------------------------------------------
 */

static bool begin_entry(struct support_bundle *bundle, const char *name, int64_t size, int64_t mtime_s,
                        struct error *err)
{
    char path[TAR_NAME_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/%s", bundle->name, name);
    make_plain(path);
    const struct tar_entry entry = {.name = path, .size = size, .mode = ENTRY_MODE, .mtime_s = mtime_s};
    bundle->left_bytes -= size + ENTRY_MIN_BYTES;
    return tar_writer_begin(bundle->tar, &entry, err);
}

static bool add_text(struct support_bundle *bundle, const char *name, struct buf *text, struct error *err)
{
    int64_t now_s = clock_utc_us(bundle->scene.clock) / US_PER_S;
    if (!buf_check(text, name, err))
        return false;
    secret_mask_begin(bundle->mask);
    size_t hidden = secret_mask_text(bundle->mask, text->data, text->size);
    buf_printf(&bundle->manifest, "%-28s %zu bytes", name, text->size);
    if (hidden > 0)
        buf_printf(&bundle->manifest, ", %zu values hidden", hidden);
    buf_append_byte(&bundle->manifest, '\n');
    return begin_entry(bundle, name, (int64_t)text->size, now_s, err) &&
           tar_writer_data(bundle->tar, buf_view(text), err);
}

/* A file that is not there or cannot be read is a line in the manifest. */
static bool begin_file(struct support_bundle *bundle, const char *name, int64_t max_bytes, struct error *err)
{
    struct error why;
    if (bundle->left_bytes < max_bytes)
        max_bytes = bundle->left_bytes;
    snprintf(bundle->file_name, sizeof(bundle->file_name), "%s", name);
    if (!support_file_open(&bundle->file, bundle->root_fd, name, max_bytes, bundle->mask, &why)) {
        make_plain(bundle->file_name);
        note_error(bundle, bundle->file_name, &why);
        return true;
    }
    return begin_entry(bundle, name, bundle->file.given_bytes, bundle->file.mtime_s, err);
}

static void end_file(struct support_bundle *bundle)
{
    const struct support_file *file = &bundle->file;
    struct buf *out = &bundle->manifest;
    make_plain(bundle->file_name);
    buf_printf(out, "%-28s %" PRId64 " bytes", bundle->file_name, file->given_bytes);
    if (file->given_bytes < file->file_bytes)
        buf_printf(out, ", the last of %" PRId64, file->file_bytes);
    if (file->hidden > 0)
        buf_printf(out, ", %" PRId64 " values hidden", file->hidden);
    if (file->blank_bytes > 0)
        buf_printf(out, ", %" PRId64 " of them only line feeds: %s", file->blank_bytes,
                   file->read_errno != 0 ? strerrordesc_np(file->read_errno) : "it became shorter meanwhile");
    buf_append_byte(out, '\n');
    support_file_close(&bundle->file);
}

static bool feed_file(struct support_bundle *bundle, struct error *err)
{
    struct view piece = support_file_next(&bundle->file);
    if (piece.size > 0)
        return tar_writer_data(bundle->tar, piece, err);
    end_file(bundle);
    return true;
}

/* ---- what is in it ---------------------------------------------------------------------------------------
 */

static bool write_readme(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    (void)err;
    buf_printf(
        out,
        "%s\n\n"
        "What this machine says of itself, for whoever looks for a fault:\n\n"
        "  versions.json   what is installed and what runs\n"
        "  machine.json    the system, its memory, its disks\n"
        "  store.json      the telemetry store: how much, since when, how large; no reading\n"
        "  files.txt       what lies in the machine's folder: kind and mode, owner, size, time, name\n"
        "  run/ agent/     what the programs say of themselves\n"
        "  config.txt      the settings, without comments; line numbers are those of the machine\n"
        "  log/            the services' logs; of a long one its last part\n"
        "  MANIFEST.txt    what is in here, what was cut or hidden, what was not there\n\n"
        "Never in here: credentials.env, private keys, licences, readings.\n"
        "Values in credentials.env, and whatever looks like a password, a token or a key in a text, are\n"
        "hidden: each of their bytes is a `*`. Look through it before you hand it on all the same.\n",
        bundle->name);
    return true;
}

static bool write_versions(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    (void)err;
    support_write_versions(&bundle->scene, out);
    return true;
}

static bool write_machine(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    (void)err;
    support_write_machine(&bundle->scene, out);
    return true;
}

static bool write_store(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    (void)err;
    support_write_store(&bundle->scene, out);
    return true;
}

static bool write_listing(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    return support_listing(bundle->root_fd, out, err);
}

static bool write_config(struct support_bundle *bundle, struct buf *out, struct error *err)
{
    return support_config_text(bundle->root_fd, bundle->mask, out, err);
}

/* A text that is made, or a file of ROOT under its own name. */
struct item {
    const char *name;
    bool (*write)(struct support_bundle *bundle, struct buf *out, struct error *err);
};

static const struct item items[] = {
    {"README.txt", write_readme},  {"versions.json", write_versions},  {"machine.json", write_machine},
    {"store.json", write_store},   {"files.txt", write_listing},       {"config.txt", write_config},
    {"run/status.json", NULL},     {"run/collector.json", NULL},       {"agent/contacts.json", NULL},
    {"agent/last_sync.txt", NULL}, {"pending_update/meta.json", NULL}, {"pending_update/approved.json", NULL},
};

/* A text that cannot be made is a line in the manifest. */
static bool add_item(struct support_bundle *bundle, const struct item *item, struct error *err)
{
    struct error why;
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    if (item->write == NULL)
        return begin_file(bundle, item->name, SUPPORT_FILE_MAX_BYTES, err);
    if (item->write(bundle, &text, &why))
        return add_text(bundle, item->name, &text, err);
    note_error(bundle, item->name, &why);
    return true;
}

static int64_t elapsed_s(const struct support_bundle *bundle)
{
    return (clock_monotonic_us(bundle->scene.clock) - bundle->began_us) / US_PER_S;
}

static bool add_log(struct support_bundle *bundle, struct error *err)
{
    char name[sizeof(bundle->file_name)];
    snprintf(name, sizeof(name), "log/%s", bundle->logs.names[bundle->next_log++]);
    if (bundle->left_bytes >= ENTRY_MIN_BYTES && elapsed_s(bundle) < SUPPORT_TIME_S)
        return begin_file(bundle, name, SUPPORT_LOG_MAX_BYTES, err);
    make_plain(name);
    note(bundle, name,
         bundle->left_bytes < ENTRY_MIN_BYTES ? "left out: the bundle is full" : "left out: no time left");
    return true;
}

static bool finish(struct support_bundle *bundle, struct error *err)
{
    if (bundle->logs.more)
        note(bundle, "log/", "has more files: they were left out");
    SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES + ENTRY_MIN_BYTES);
    buf_printf(&text, "At most %d bytes in all, %d of a log, %d of another file.\n\n", SUPPORT_MAX_BYTES,
               SUPPORT_LOG_MAX_BYTES, SUPPORT_FILE_MAX_BYTES);
    buf_append_view(&text, buf_view(&bundle->manifest));
    bundle->archived = true;
    return add_text(bundle, "MANIFEST.txt", &text, err) && tar_writer_end(bundle->tar, err);
}

/* ---- the stream ------------------------------------------------------------------------------------------
 */

static bool step(struct support_bundle *bundle, struct error *err)
{
    if (elapsed_s(bundle) >= SUPPORT_TIME_MAX_S)
        return error_set(err, ERR_TIMEOUT, "a support bundle takes at most %d s", SUPPORT_TIME_MAX_S);
    if (bundle->file.fd >= 0)
        return feed_file(bundle, err);
    if (bundle->next_item < COUNT_OF(items))
        return add_item(bundle, &items[bundle->next_item++], err);
    if (bundle->next_log < bundle->logs.count)
        return add_log(bundle, err);
    return finish(bundle, err);
}

static bool next_pending(struct support_bundle *bundle, struct error *err)
{
    tar_writer_taken(bundle->tar);
    while (!bundle->archived && tar_writer_output(bundle->tar).size == 0) {
        if (!step(bundle, err))
            return false;
    }
    bundle->pending = tar_writer_output(bundle->tar);
    return true;
}

ssize_t support_bundle_read(struct support_bundle *bundle, char *out, size_t out_bytes, struct error *err)
{
    size_t size = 0;
    while (!bundle->ended && size < out_bytes) {
        if (bundle->pending.size == 0 && !bundle->archived && !next_pending(bundle, err))
            return -1;
        size += packer_write(bundle->packer, &bundle->pending, bundle->archived, out + size, out_bytes - size,
                             &bundle->ended);
    }
    bundle->whole = size == 0;
    bundle->bytes += (int64_t)size;
    return (ssize_t)size;
}

bool support_bundle_is_whole(const struct support_bundle *bundle)
{
    return bundle->whole;
}

int64_t support_bundle_bytes(const struct support_bundle *bundle)
{
    return bundle->bytes;
}

const char *support_bundle_name(const struct support_bundle *bundle)
{
    return bundle->name;
}

/* ---- its life --------------------------------------------------------------------------------------------
 */

static void find_logs(struct support_bundle *bundle)
{
    struct error why;
    SCOPE_FD int fd = folder_open_beneath(bundle->root_fd, "log", &why);
    if (fd < 0 || !support_logs_find(fd, &bundle->scene.appliance->config.services, &bundle->logs, &why))
        note_error(bundle, "log/", &why);
}

static bool set_up(struct support_bundle *bundle, struct error *err)
{
    bundle->root_fd = file_open(bundle->scene.appliance->root, O_RDONLY | O_DIRECTORY, err);
    if (bundle->root_fd < 0)
        return false;
    bundle->mask = secret_mask_new(err);
    bundle->tar = bundle->mask == NULL ? NULL : tar_writer_new(err);
    bundle->packer = bundle->tar == NULL ? NULL : packer_new(PACK_ZSTD, err);
    if (bundle->packer == NULL || !support_learn_secrets(bundle->scene.appliance, bundle->mask, err))
        return false;
    make_name(bundle);
    find_logs(bundle);
    return true;
}

struct support_bundle *support_bundle_new(const struct support_scene *scene, struct error *err)
{
    struct support_bundle *bundle = calloc(1, sizeof(*bundle));
    if (bundle == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a support bundle");
        return NULL;
    }
    bundle->scene = *scene;
    bundle->root_fd = bundle->file.fd = -1;
    bundle->manifest = (struct buf)BUF_LIMIT(MANIFEST_MAX_BYTES);
    bundle->left_bytes = SUPPORT_MAX_BYTES;
    bundle->began_us = clock_monotonic_us(scene->clock);
    if (set_up(bundle, err))
        return bundle;
    support_bundle_free(bundle);
    return NULL;
}

void support_bundle_free(struct support_bundle *bundle)
{
    if (bundle == NULL)
        return;
    support_file_close(&bundle->file);
    packer_free(bundle->packer);
    tar_writer_free(bundle->tar);
    secret_mask_free(bundle->mask);
    buf_clear(&bundle->manifest);
    scope_fd(&bundle->root_fd);
    free(bundle);
}
