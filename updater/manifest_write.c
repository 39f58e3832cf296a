#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/rfc3339.h"
#include "common/net/json_writer.h"
#include "updater/manifest.h"

static void write_base(struct json_writer *json, const struct manifest *manifest)
{
    if (manifest->base_tree[0] == '\0')
        return;
    json_object(json, "base");
    if (manifest->base_version[0] != '\0')
        json_string(json, "version", manifest->base_version);
    json_string(json, "tree_sha256", manifest->base_tree);
    json_end_object(json);
}

static void write_time(struct json_writer *json, const char *key, int64_t utc_us)
{
    char text[RFC3339_US_BYTES];
    if (utc_us % US_PER_S == 0)
        rfc3339_format_s(text, utc_us);
    else
        rfc3339_format_us(text, utc_us);
    json_string(json, key, text);
}

static void write_files(struct json_writer *json, const struct manifest *manifest)
{
    json_array(json, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        char mode[sizeof("0755")];
        snprintf(mode, sizeof(mode), "%04o", (unsigned)(file->mode & 0777));
        json_object(json, NULL);
        json_string(json, "path", file->path);
        json_string(json, "sha256", file->sha256);
        json_i64(json, "size", file->size);
        json_string(json, "mode", mode);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_removals(struct json_writer *json, const struct manifest *manifest)
{
    if (manifest->removal_count == 0)
        return;
    json_array(json, "remove");
    for (size_t i = 0; i < manifest->removal_count; i++)
        json_string(json, NULL, manifest->removals[i]);
    json_end_array(json);
}

static void write_migrations(struct json_writer *json, const struct manifest *manifest)
{
    json_array(json, "migrations");
    for (size_t i = 0; i < manifest->migration_count; i++) {
        const struct manifest_migration *migration = &manifest->migrations[i];
        json_object(json, NULL);
        json_string(json, "name", migration->name);
        json_string(json, "sha256", migration->sha256);
        json_i64(json, "size", migration->size);
        json_end_object(json);
    }
    json_end_array(json);
}

void manifest_write(const struct manifest *manifest, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_i64(&json, "format", MANIFEST_FORMAT);
    json_string(&json, "product", manifest->product);
    json_string(&json, "version", manifest->version);
    if (manifest->min_version[0] != '\0')
        json_string(&json, "min_version", manifest->min_version);
    write_base(&json, manifest);
    write_time(&json, "created_at", manifest->created_us);
    if (manifest->expires_us != INT64_MAX)
        write_time(&json, "expires_at", manifest->expires_us);
    json_string(&json, "notes", manifest->notes);
    write_files(&json, manifest);
    write_removals(&json, manifest);
    write_migrations(&json, manifest);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}
