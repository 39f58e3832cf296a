#include "portal/update_details.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/os/beneath.h"
#include "portal/answer.h"
#include "portal/update.h"
#include "updater/package.h"

enum { DETAILS_MAX_BYTES = UPDATE_STATUS_MAX_BYTES };

/* What tells a file from another one that has taken its place. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/* What the facts were read from. */
struct source {
    char manifest_sha256[MANIFEST_SHA256_BYTES];
    char version[RELEASE_VERSION_BYTES]; /* that runs */
    struct file_mark meta;
    struct file_mark zip;
    struct file_mark keys;
};

struct refusal {
    char reason[PENDING_REASON_BYTES]; /* "": none */
    char text[ERROR_TEXT_BYTES];
};

struct package_facts {
    struct refusal unverified; /* then nothing else is known but the size */
    struct refusal unfit;      /* it is genuine, and would be refused here */
    int64_t zip_bytes;
    int64_t content_bytes;
    char signer[SHA256_HEX_BYTES];
    char min_version[RELEASE_VERSION_BYTES];
    char base_version[RELEASE_VERSION_BYTES];
    int64_t created_us;
    size_t changed, added, removed, migrations;
};

struct update_details {
    pthread_mutex_t lock;
    bool known;
    struct source source;
    struct package_facts facts;
};

struct update_details *update_details_new(struct error *err)
{
    struct update_details *details = calloc(1, sizeof(*details));
    if (details == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an update's details");
        return NULL;
    }
    pthread_mutex_init(&details->lock, NULL);
    return details;
}

void update_details_free(struct update_details *details)
{
    if (details == NULL)
        return;
    pthread_mutex_destroy(&details->lock);
    free(details);
}

/* ---- where it is ---- */

static struct file_mark mark_of(const struct stat *about)
{
    return (struct file_mark){about->st_dev, about->st_ino, about->st_size, about->st_mtim};
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool same_source(const struct source *a, const struct source *b)
{
    return strcmp(a->manifest_sha256, b->manifest_sha256) == 0 && strcmp(a->version, b->version) == 0 &&
           same_mark(&a->meta, &b->meta) && same_mark(&a->zip, &b->zip) && same_mark(&a->keys, &b->keys);
}

/* The zip as the queue names it; -1 when it is gone. */
static int open_zip(const struct portal *portal, const struct pending *pending, struct stat *about,
                    struct error *err)
{
    struct path path;
    if (!path_join(&path, portal->daemon.appliance.root, "pending_update", err))
        return -1;
    SCOPE_FD int folder = file_open(path.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
    return folder < 0 ? -1 : file_open_beneath(folder, pending->file, about, err);
}

static bool keys_path(const struct portal *portal, struct path *out, struct error *err)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    return appliance_path(appliance, appliance->config.update_public_key_file, out, err);
}

static void find_source(const struct portal *portal, const struct pending *pending, const struct stat *zip,
                        struct source *out)
{
    struct path keys;
    struct path meta;
    struct stat about;
    *out = (struct source){.zip = mark_of(zip)};
    memcpy(out->manifest_sha256, pending->manifest_sha256, sizeof(out->manifest_sha256));
    snprintf(out->version, sizeof(out->version), "%s", portal->daemon.appliance.version);
    if (keys_path(portal, &keys, NULL) && stat(keys.text, &about) == 0)
        out->keys = mark_of(&about);
    if (path_join(&meta, portal->daemon.appliance.root, "pending_update/meta.json", NULL) &&
        stat(meta.text, &about) == 0)
        out->meta = mark_of(&about);
}

/* ---- reading the package ---- */

static void refuse(struct refusal *out, const struct error *err)
{
    snprintf(out->reason, sizeof(out->reason), "%s", err->reason == NULL ? "unreadable" : err->reason);
    snprintf(out->text, sizeof(out->text), "%s", err->text);
}

/* The running version's folder, or -1: what is not there, a file cannot replace. */
static int open_release(const struct portal *portal, struct path *out)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    if (!path_printf(out, NULL, "%s/releases/%s", appliance->root, appliance->version))
        return -1;
    return file_open(out->text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, NULL);
}

static void count_files(int release, const struct manifest *manifest, struct package_facts *facts)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        struct stat about;
        bool there =
            release >= 0 && fstatat(release, manifest->files[i].path, &about, AT_SYMLINK_NOFOLLOW) == 0;
        if (there)
            facts->changed++;
        else
            facts->added++;
    }
    facts->removed = manifest->removal_count;
    facts->migrations = manifest->migration_count;
}

static void check_place(const struct portal *portal, const struct package *package,
                        const struct path *release, bool has_release, struct package_facts *facts)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    struct update_floors floors;
    struct error err;
    if (!update_floors_read(appliance->root, &floors, &err)) {
        refuse(&facts->unfit, &err);
        return;
    }
    const struct package_place place = {
        .product = appliance->config.product,
        .current_version = appliance->version,
        .floor_version = floors.version,
        .floor_us = floors.time_us,
        .release_folder = has_release ? release->text : NULL,
    };
    if (!package_fits(package, &place, &err))
        refuse(&facts->unfit, &err);
}

static void take_manifest(const struct portal *portal, const struct package *package,
                          struct package_facts *facts)
{
    const struct manifest *manifest = package_manifest(package);
    struct path release;
    SCOPE_FD int folder = open_release(portal, &release);
    count_files(folder, manifest, facts);
    check_place(portal, package, &release, folder >= 0, facts);
    facts->content_bytes = manifest->bytes;
    facts->created_us = manifest->created_us;
    snprintf(facts->signer, sizeof(facts->signer), "%s", package_signer(package));
    memcpy(facts->min_version, manifest->min_version, sizeof(facts->min_version));
    memcpy(facts->base_version, manifest->base_version, sizeof(facts->base_version));
}

/* What the window shows of meta.json is what was signed: whoever may write there cannot word it. */
static bool check_meta(const struct pending *pending, const struct package *package, struct error *err)
{
    const struct manifest *manifest = package_manifest(package);
    if (strcmp(package_manifest_sha256(package), pending->manifest_sha256) == 0 &&
        strcmp(manifest->version, pending->version) == 0 &&
        strncmp(manifest->notes, pending->notes, PENDING_NOTES_MAX_BYTES - 1) == 0)
        return true;
    return error_refuse(err, ERR_CHANGED, "changed", "the zip is not the one that was queued");
}

static bool verify(const struct portal *portal, const struct pending *pending, int zip,
                   struct package_facts *facts, struct error *err)
{
    struct path keys;
    struct keyring trusted = {.count = 0};
    if (!keys_path(portal, &keys, err) || !keyring_load(keys.text, &trusted, err))
        return error_refuse(err, ERR_NOT_FOUND, "no_update_key",
                            "UPDATE_PUBLIC_KEY_FILE of this machine cannot be read");
    SCOPE_PACKAGE struct package *package = package_open(zip, &trusted, err);
    keyring_clear(&trusted);
    if (package == NULL || !check_meta(pending, package, err))
        return false;
    take_manifest(portal, package, facts);
    return true;
}

static void read_facts(const struct portal *portal, const struct pending *pending, int zip,
                       const struct stat *about, struct package_facts *out)
{
    struct error err = {.code = ERR_NONE};
    *out = (struct package_facts){.zip_bytes = about->st_size};
    if (about->st_size > portal->daemon.appliance.config.max_update_bytes)
        error_refuse(&err, ERR_LIMIT, "too_large", "it is larger than MAX_UPDATE_BYTES");
    else
        (void)verify(portal, pending, zip, out, &err);
    if (err.code != ERR_NONE)
        refuse(&out->unverified, &err);
}

/* ---- the answer ---- */

static void write_refusal(struct json_writer *writer, const struct refusal *refusal)
{
    json_string(writer, "reason", refusal->reason);
    json_string(writer, "text", refusal->text);
}

static void write_facts(struct json_writer *writer, const struct package_facts *facts)
{
    bool verified = facts->unverified.reason[0] == '\0';
    json_object(writer, "package");
    json_bool(writer, "verified", verified);
    json_i64(writer, "size_bytes", facts->zip_bytes);
    if (!verified) {
        write_refusal(writer, &facts->unverified);
        json_end_object(writer);
        return;
    }
    json_string(writer, "signer", facts->signer);
    json_i64(writer, "content_bytes", facts->content_bytes);
    json_time_us(writer, "created_at", facts->created_us);
    update_write_text(writer, "min_version", facts->min_version);
    update_write_text(writer, "base_version", facts->base_version);
    json_u64(writer, "changed", facts->changed);
    json_u64(writer, "added", facts->added);
    json_u64(writer, "removed", facts->removed);
    json_u64(writer, "migrations", facts->migrations);
    json_bool(writer, "fits", facts->unfit.reason[0] == '\0');
    if (facts->unfit.reason[0] != '\0')
        write_refusal(writer, &facts->unfit);
    json_end_object(writer);
}

static void write_state(const struct portal *portal, const struct pending *pending,
                        struct json_writer *writer)
{
    const struct appliance *appliance = &portal->daemon.appliance;
    json_string(writer, "current_version", appliance->version);
    json_string(writer, "state", update_state_name(pending->state));
    update_write_text(writer, "version", pending->version);
    update_write_text(writer, "previous_version", pending->previous);
    update_write_text(writer, "manifest_sha256", pending->manifest_sha256);
    json_time_us(writer, "received_at", pending->state == UPDATE_NONE ? INT64_MIN : pending->received_us);
    update_write_text(writer, "from", pending->from);
    update_write_text(writer, "notes", pending->notes);
    update_write_text(writer, "approved_by", pending->approved_by);
    json_time_us(writer, "changed_at", pending->state == UPDATE_NONE ? INT64_MIN : pending->changed_us);
    update_write_text(writer, "reason", pending->reason);
    update_write_text(writer, "text", pending->text);
    json_i64(writer, "probation_s", appliance->config.probation_s);
    json_string(writer, "approval", appliance->config.update_approval);
}

/* facts: NULL when no zip waits. */
static void answer(struct http_request *request, const struct pending *pending,
                   const struct package_facts *facts)
{
    const struct portal *portal = http_context(request);
    SCOPE_BUF struct buf text = BUF_LIMIT(DETAILS_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    write_state(portal, pending, &writer);
    if (facts == NULL)
        json_null(&writer, "package");
    else
        write_facts(&writer, facts);
    json_end_object(&writer);
    answer_json(request, &text);
}

/* On a thread of its own: a large manifest, or a tree that a package names as its base, takes a while. */
static void answer_details(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    struct update_details *details = portal->details;
    SCOPE_PENDING struct pending pending = {.notes = NULL};
    struct stat about;
    struct source source;
    struct error err;
    if (!pending_read(portal->daemon.appliance.root, &pending, &err)) {
        update_answer_error(request, &err);
        return;
    }
    SCOPE_FD int zip = pending.file[0] == '\0' ? -1 : open_zip(portal, &pending, &about, &err);
    if (zip < 0) {
        answer(request, &pending, NULL);
        return;
    }
    find_source(portal, &pending, &about, &source);
    pthread_mutex_lock(&details->lock);
    if (!details->known || !same_source(&details->source, &source))
        read_facts(portal, &pending, zip, &about, &details->facts);
    details->known = true;
    details->source = source;
    struct package_facts facts = details->facts;
    pthread_mutex_unlock(&details->lock);
    answer(request, &pending, &facts);
}

void update_details_get(struct http_request *request)
{
    http_answer_aside(request, answer_details);
}
