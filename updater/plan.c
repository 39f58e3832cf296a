#include "updater/plan.h"

#include <fcntl.h>
#include <inttypes.h>

#include "common/net/json_writer.h"
#include "updater/changes.h"
#include "updater/space.h"

/* What is written about; package NULL: it is none. */
struct view_of_package {
    const struct target *target;
    const struct package *package;
    const struct update_space *space; /* NULL: not asked for */
    const struct error *refusal;      /* NULL: it would be taken */
};

static int open_zip(const char *zip, struct error *err)
{
    return file_open(zip, O_RDONLY | O_NONBLOCK, err);
}

static const char *reason_of(const struct error *refusal)
{
    return refusal->reason == NULL ? "failed" : refusal->reason;
}

/* ---- for programs ---- */

static const char *const change_names[] = {
    [CHANGE_NEW] = "new", [CHANGE_REPLACED] = "replaced", [CHANGE_REMOVED] = "removed"};

/* context: struct json_writer */
static bool write_change_json(void *context, const struct change *change, struct error *err)
{
    (void)err;
    struct json_writer *json = context;
    json_object(json, NULL);
    json_string(json, "path", change->path);
    json_string(json, "change", change_names[change->kind]);
    json_i64(json, "old_size", change->old_bytes);
    json_i64(json, "new_size", change->new_bytes);
    json_end_object(json);
    return true;
}

static bool write_changes_json(struct json_writer *json, const struct view_of_package *view,
                               struct error *err)
{
    const struct manifest *manifest = package_manifest(view->package);
    SCOPE_FD int release = file_open(view->target->release.text, O_RDONLY | O_DIRECTORY, err);
    if (release < 0)
        return false;
    json_array(json, "files");
    if (!changes_each(release, manifest, write_change_json, json, err))
        return false;
    json_end_array(json);
    json_array(json, "migrations");
    for (size_t i = 0; i < manifest->migration_count; i++)
        json_string(json, NULL, manifest->migrations[i].name);
    json_end_array(json);
    json_i64(json, "release_bytes", view->space->release_bytes);
    json_i64(json, "backup_bytes", view->space->backup_bytes);
    json_i64(json, "snapshot_bytes", view->space->store_bytes);
    return true;
}

static bool write_json(const struct view_of_package *view, struct buf *out, struct error *err)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_bool(&json, "ok", view->refusal == NULL);
    json_string(&json, "reason", view->refusal == NULL ? "" : reason_of(view->refusal));
    json_string(&json, "detail", view->refusal == NULL ? "" : view->refusal->text);
    json_string(&json, "current_version", view->target->current);
    if (view->package != NULL) {
        const struct manifest *manifest = package_manifest(view->package);
        json_string(&json, "version", manifest->version);
        json_string(&json, "manifest_sha256", package_manifest_sha256(view->package));
        json_string(&json, "signer", package_signer(view->package));
        json_string(&json, "notes", manifest->notes);
    }
    if (view->space != NULL && !write_changes_json(&json, view, err))
        return false;
    json_end_object(&json);
    buf_append_byte(out, '\n');
    return true;
}

/* ---- for people ---- */

/* context: struct buf */
static bool write_change_text(void *context, const struct change *change, struct error *err)
{
    (void)err;
    buf_printf(context, "  %-8s  %12" PRId64 " -> %12" PRId64 "  %s\n", change_names[change->kind],
               change->old_bytes, change->new_bytes, change->path);
    return true;
}

static bool write_changes_text(const struct view_of_package *view, struct buf *out, struct error *err)
{
    const struct manifest *manifest = package_manifest(view->package);
    SCOPE_FD int release = file_open(view->target->release.text, O_RDONLY | O_DIRECTORY, err);
    if (release < 0)
        return false;
    buf_append_text(out, "files      (bytes before -> after)\n");
    if (!changes_each(release, manifest, write_change_text, out, err))
        return false;
    for (size_t i = 0; i < manifest->migration_count; i++)
        buf_printf(out, "migration  %s\n", manifest->migrations[i].name);
    buf_printf(out, "release    %" PRId64 " bytes to write\nbackup     at most %" PRId64 " bytes\n",
               view->space->release_bytes, view->space->backup_bytes);
    if (view->space->store_bytes > 0)
        buf_printf(out, "snapshot   %" PRId64 " bytes for a moment beside the store\n",
                   view->space->store_bytes);
    return true;
}

static bool write_text(const struct view_of_package *view, struct buf *out, struct error *err)
{
    if (view->package != NULL)
        buf_printf(out, "version    %s, %s runs\nmanifest   %s\nsigner     %s\n",
                   package_manifest(view->package)->version, view->target->current,
                   package_manifest_sha256(view->package), package_signer(view->package));
    if (view->space != NULL && !write_changes_text(view, out, err))
        return false;
    if (view->refusal == NULL)
        buf_append_text(out, "result     it would be taken\n");
    else
        buf_printf(out, "result     refused: %s\n", reason_of(view->refusal));
    return true;
}

/* ---- both ---- */

static bool print(const struct view_of_package *view, bool json, struct buf *out, struct error *err)
{
    if (!(json ? write_json : write_text)(view, out, err))
        return false;
    if (view->refusal == NULL)
        return true;
    if (err != NULL)
        *err = *view->refusal;
    return false;
}

/* The package when it can be read, whole; NULL and refusal otherwise. */
static struct package *look(const struct target *target, int zip, struct error *refusal)
{
    SCOPE_PACKAGE struct package *package = target_package(target, zip, refusal);
    if (package == NULL || !package_read(package, NULL, refusal))
        return NULL;
    return POINTER_TAKE(package);
}

bool verify_print(const char *root, const char *zip, bool json, struct buf *out, struct error *err)
{
    struct error refusal = {.code = ERR_NONE};
    SCOPE_TARGET struct target target = {.current = ""};
    if (!target_open(&target, root, err))
        return false;
    SCOPE_FD int fd = open_zip(zip, err);
    if (fd < 0)
        return false;
    SCOPE_PACKAGE struct package *package = look(&target, fd, &refusal);
    bool taken = package != NULL && target_fits(&target, package, &refusal);
    const struct view_of_package view = {&target, package, NULL, taken ? NULL : &refusal};
    return print(&view, json, out, err);
}

bool plan_print(const char *root, const char *zip, bool json, struct buf *out, struct error *err)
{
    struct error refusal = {.code = ERR_NONE};
    struct update_space space;
    SCOPE_TARGET struct target target = {.current = ""};
    if (!target_open(&target, root, err))
        return false;
    SCOPE_FD int fd = open_zip(zip, err);
    if (fd < 0)
        return false;
    SCOPE_PACKAGE struct package *package = look(&target, fd, &refusal);
    if (package != NULL && !update_space_of(&target, package_manifest(package), &space, err))
        return false;
    bool taken = package != NULL && target_fits(&target, package, &refusal) &&
                 update_space_check(&target, &space, &refusal);
    const struct view_of_package view = {&target, package, package == NULL ? NULL : &space,
                                         taken ? NULL : &refusal};
    return print(&view, json, out, err);
}
