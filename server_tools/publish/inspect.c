#include "server_tools/publish/inspect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "common/os/file.h"
#include "updater/package.h"

/* A package and what is known of its signature. */
struct shown {
    const struct package *package;
    const char *signature; /* "valid", "invalid", "not checked" */
};

/* ---- for programs ---- */

static void write_files(struct json_writer *json, const struct manifest *manifest)
{
    json_array(json, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        json_object(json, NULL);
        json_string(json, "path", file->path);
        json_i64(json, "size", file->size);
        json_string(json, "sha256", file->sha256);
        json_string(json, "mode", file->mode == 0755 ? "0755" : "0644");
        json_end_object(json);
    }
    json_end_array(json);
    json_array(json, "remove");
    for (size_t i = 0; i < manifest->removal_count; i++)
        json_string(json, NULL, manifest->removals[i]);
    json_end_array(json);
    json_array(json, "migrations");
    for (size_t i = 0; i < manifest->migration_count; i++) {
        json_object(json, NULL);
        json_string(json, "name", manifest->migrations[i].name);
        json_i64(json, "size", manifest->migrations[i].size);
        json_string(json, "sha256", manifest->migrations[i].sha256);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_text_or_null(struct json_writer *json, const char *key, const char *text)
{
    if (text[0] == '\0')
        json_null(json, key);
    else
        json_string(json, key, text);
}

static void write_base(struct json_writer *json, const struct manifest *manifest)
{
    if (manifest->base_tree[0] == '\0') {
        json_null(json, "base");
        return;
    }
    json_object(json, "base");
    write_text_or_null(json, "version", manifest->base_version);
    json_string(json, "tree_sha256", manifest->base_tree);
    json_end_object(json);
}

static void write_json(struct json_writer *json, const struct shown *shown)
{
    const struct manifest *manifest = package_manifest(shown->package);
    json_string(json, "product", manifest->product);
    json_string(json, "version", manifest->version);
    write_text_or_null(json, "min_version", manifest->min_version);
    write_base(json, manifest);
    json_time_us(json, "created_at", manifest->created_us);
    json_time_us(json, "expires_at", manifest->expires_us == INT64_MAX ? INT64_MIN : manifest->expires_us);
    json_string(json, "notes", manifest->notes);
    json_string(json, "manifest_sha256", package_manifest_sha256(shown->package));
    json_string(json, "signature", shown->signature);
    write_text_or_null(json, "signer", package_signer(shown->package));
    json_i64(json, "content_bytes", manifest->bytes);
    write_files(json, manifest);
}

/* ---- for people ---- */

/* Line by line, without what a terminal would obey. */
static void print_notes(struct buf *out, const char *notes)
{
    struct view rest = view_of(notes);
    const char *label = "notes       ";
    while (rest.size > 0) {
        char line[MANIFEST_PATH_MAX_BYTES];
        struct view part = text_cut(&rest, '\n');
        snprintf(line, sizeof(line), "%.*s", VIEW_ARG(part));
        text_make_printable(line);
        buf_printf(out, "%s%s\n", label, line);
        label = "            ";
    }
}

static void print_time(struct buf *out, const char *label, int64_t utc_us)
{
    char text[RFC3339_S_BYTES];
    rfc3339_format_s(text, utc_us);
    buf_printf(out, "%s%s\n", label, text);
}

static void print_head(struct buf *out, const struct shown *shown)
{
    const struct manifest *manifest = package_manifest(shown->package);
    const char *signer = package_signer(shown->package);
    char product[MANIFEST_PRODUCT_BYTES];
    memcpy(product, manifest->product, sizeof(product));
    text_make_printable(product);
    buf_printf(out, "product     %s\nversion     %s\n", product, manifest->version);
    if (manifest->min_version[0] != '\0')
        buf_printf(out, "for         version %s and newer\n", manifest->min_version);
    if (manifest->base_tree[0] != '\0')
        buf_printf(out, "base        %s%stree %s\n", manifest->base_version,
                   manifest->base_version[0] == '\0' ? "" : ", ", manifest->base_tree);
    print_time(out, "made        ", manifest->created_us);
    if (manifest->expires_us != INT64_MAX)
        print_time(out, "expires     ", manifest->expires_us);
    print_notes(out, manifest->notes);
    buf_printf(out, "manifest    %s\nsignature   %s%s%s\n", package_manifest_sha256(shown->package),
               shown->signature, signer[0] == '\0' ? "" : ", by ", signer);
}

static void print_contents(struct buf *out, const struct manifest *manifest)
{
    char size[TEXT_SIZE_BYTES];
    buf_printf(out, "\nfiles %zu, migrations %zu, removals %zu, unpacked %s\n", manifest->file_count,
               manifest->migration_count, manifest->removal_count,
               text_bytes_for_people(size, (uint64_t)manifest->bytes));
    for (size_t i = 0; i < manifest->file_count; i++)
        buf_printf(out, "  %04o %12" PRId64 "  %s  %s\n", (unsigned)manifest->files[i].mode,
                   manifest->files[i].size, manifest->files[i].sha256, manifest->files[i].path);
    for (size_t i = 0; i < manifest->migration_count; i++)
        buf_printf(out, "  run  %12" PRId64 "  %s  %s\n", manifest->migrations[i].size,
                   manifest->migrations[i].sha256, manifest->migrations[i].name);
    for (size_t i = 0; i < manifest->removal_count; i++)
        buf_printf(out, "  remove %76s  %s\n", "", manifest->removals[i]);
}

/* ---- the whole ---- */

static void show(const struct shown *shown, const struct error *refused, bool as_json, struct buf *out)
{
    if (!as_json) {
        if (shown->package != NULL) {
            print_head(out, shown);
            print_contents(out, package_manifest(shown->package));
        }
        return;
    }
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_bool(&json, "ok", refused == NULL);
    if (refused != NULL) {
        write_text_or_null(&json, "reason", refused->reason == NULL ? "" : refused->reason);
        json_string(&json, "detail", refused->text);
    }
    if (shown->package != NULL)
        write_json(&json, shown);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

static bool load_keys(const char *path, struct keyring *ring, struct error *err)
{
    return path == NULL || keyring_load(path, ring, err) || error_wrap(err, "--public-key");
}

static bool take_piece(void *context, struct view piece, struct error *err)
{
    (void)err;
    progress_add(context, (int64_t)piece.size);
    return true;
}

static bool read_content(struct package *package, struct progress *progress, struct error *err)
{
    const struct package_sink sink = {.context = progress, .data = take_piece};
    progress_begin(progress, "reading", package_manifest(package)->bytes);
    bool read = package_read(package, &sink, err);
    progress_end(progress);
    return read;
}

static bool inspect(int fd, const struct settings *settings, const struct keyring *ring,
                    struct progress *progress, struct buf *out, struct error *err)
{
    struct shown shown = {.signature = ring == NULL ? "not checked" : "valid"};
    SCOPE_PACKAGE struct package *package = package_open(fd, ring, err);
    bool good = package != NULL && read_content(package, progress, err);
    bool unsigned_only = package == NULL && err->reason != NULL && strcmp(err->reason, "invalid_sig") == 0;
    if (unsigned_only) { /* shown for what it claims to be */
        shown.signature = "invalid";
        package = package_open(fd, NULL, NULL);
    }
    shown.package = good || unsigned_only ? package : NULL;
    show(&shown, good ? NULL : err, settings->json, out);
    return good;
}

bool inspect_package(const struct settings *settings, struct progress *progress, struct buf *out,
                     struct error *err)
{
    struct keyring ring = {.count = 0};
    SCOPE_FD int fd = file_open(settings->inspect, O_RDONLY | O_NONBLOCK, err);
    if (fd < 0 || !load_keys(settings->public_key, &ring, err))
        return false;
    bool good = inspect(fd, settings, settings->public_key == NULL ? NULL : &ring, progress, out, err);
    keyring_clear(&ring);
    return good;
}
