/* manifest.json from outside: any bytes are a manifest or a refusal with a word; a manifest holds what it
 * promises, and what is written of it is read as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "common/store/migrate.h"
#include "updater/manifest.h"

enum { WRITTEN_MAX_BYTES = 8 * MANIFEST_MAX_BYTES /* escapes take up to six bytes for one */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_hash(const char *text)
{
    return strlen(text) == MANIFEST_SHA256_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == MANIFEST_SHA256_BYTES - 1;
}

static void check(const struct manifest *manifest)
{
    int64_t bytes = 0;
    must(release_version_ok(manifest->version) && manifest->product[0] != '\0');
    must(manifest->min_version[0] == '\0' || release_version_ok(manifest->min_version));
    must(manifest->base_tree[0] == '\0' || is_hash(manifest->base_tree));
    must(strlen(manifest->notes) <= MANIFEST_NOTES_MAX_BYTES);
    must(manifest->file_count + manifest->migration_count + manifest->removal_count <= MANIFEST_MAX_ENTRIES);
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        must(manifest_path_check(file->path, NULL) && is_hash(file->sha256));
        must(file->size >= 0 && (file->mode == 0755 || file->mode == 0644));
        bytes += file->size;
    }
    for (size_t i = 0; i < manifest->migration_count; i++) {
        const struct manifest_migration *migration = &manifest->migrations[i];
        must(migration_name_ok(view_of(migration->name)) && is_hash(migration->sha256));
        must(migration->size >= 0 && migration->size <= MIGRATION_MAX_BYTES);
        must(i == 0 || strcmp(manifest->migrations[i - 1].name, migration->name) < 0);
        bytes += migration->size;
    }
    for (size_t i = 0; i < manifest->removal_count; i++)
        must(manifest_path_check(manifest->removals[i], NULL));
    must(bytes == manifest->bytes && bytes <= MANIFEST_MAX_CONTENT_BYTES);
}

static void check_written(const struct manifest *manifest)
{
    SCOPE_BUF struct buf once = BUF_LIMIT(WRITTEN_MAX_BYTES);
    SCOPE_BUF struct buf again = BUF_LIMIT(WRITTEN_MAX_BYTES);
    manifest_write(manifest, &once);
    must(buf_check(&once, "a manifest", NULL));
    if (once.size > MANIFEST_MAX_BYTES)
        return;
    SCOPE_MANIFEST struct manifest *second = manifest_parse(buf_view(&once), NULL);
    must(second != NULL);
    manifest_write(second, &again);
    must(view_equal(buf_view(&once), buf_view(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_MANIFEST struct manifest *manifest = manifest_parse((struct view){(const char *)data, size}, &err);
    if (manifest == NULL) {
        must(err.code == ERR_INPUT && err.reason != NULL);
        return 0;
    }
    check(manifest);
    check_written(manifest);
    return 0;
}
