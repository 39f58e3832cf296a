#include "updater/package.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/pack/zip_index.h"

enum { SIGNATURE_MAX_BYTES = TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES) };

static const char manifest_name[] = "manifest.json";
static const char signature_name[] = "manifest.sig";
static const char files_prefix[] = "files/";
static const char migrations_prefix[] = "migrations/";

/* An entry and what the manifest says of it: one of the two. */
struct content {
    const struct zip_entry *entry;
    const struct manifest_file *file;
    const struct manifest_migration *migration;
};

struct package {
    int fd; /* borrowed */
    struct zip_index *index;
    struct manifest *manifest;
    char manifest_sha256[SHA256_HEX_BYTES];
    struct buf signature; /* base64 */
    char signer[SHA256_HEX_BYTES];
    struct content *contents; /* in the order in which they lie in the file */
    size_t content_count;
};

void package_close(struct package *package)
{
    if (package == NULL)
        return;
    zip_index_free(package->index);
    manifest_free(package->manifest);
    buf_clear(&package->signature);
    free(package->contents);
    free(package);
}

const struct manifest *package_manifest(const struct package *package)
{
    return package->manifest;
}

const char *package_manifest_sha256(const struct package *package)
{
    return package->manifest_sha256;
}

struct view package_signature(const struct package *package)
{
    return buf_view(&package->signature);
}

const char *package_signer(const struct package *package)
{
    return package->signer;
}

/* ---- manifest.json and manifest.sig ---- */

static bool append_piece(void *context, struct view piece, struct error *err)
{
    struct buf *out = context;
    buf_append_view(out, piece);
    return buf_check(out, "an entry of the package", err);
}

/* The number-th entry's content when it has this name and is not larger than the buffer's limit. */
static bool read_head(const struct package *package, size_t number, const char *name, struct buf *out,
                      const char *reason, struct error *err)
{
    enum error_code code = strcmp(reason, "invalid_sig") == 0 ? ERR_DENIED : ERR_INPUT;
    if (number >= zip_index_count(package->index))
        return error_refuse(err, code, reason, "the package has no %s", name);
    const struct zip_entry *entry = zip_index_entry(package->index, number);
    if (strcmp(entry->name, name) != 0)
        return error_refuse(err, code, reason, "entry %zu is %s, not %s", number + 1, entry->name, name);
    if (entry->bytes > out->limit_bytes)
        return error_refuse(err, code, reason, "%s is larger than %zu bytes", name, out->limit_bytes);
    return zip_entry_read(package->fd, entry, append_piece, out, err);
}

static bool invalid_signature(struct error *err, const char *why)
{
    return error_refuse(err, ERR_DENIED, "invalid_sig", "%s: %s", signature_name, why);
}

static bool check_signature(struct package *package, struct view manifest, const struct keyring *trusted,
                            struct error *err)
{
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    if (!read_head(package, 1, signature_name, &package->signature, "invalid_sig", err))
        return false;
    if (!text_base64_decode(buf_view(&package->signature), signature, sizeof(signature), &size) || size == 0)
        return invalid_signature(err, "it is not one line of base64");
    if (trusted == NULL)
        return true;
    int signer = keyring_verify(trusted, manifest, (struct view){(const char *)signature, size});
    if (signer < 0)
        return invalid_signature(err, "no trusted key has signed this manifest");
    memcpy(package->signer, trusted->fingerprints[signer], sizeof(package->signer));
    return true;
}

static void hash_hex(struct view data, char out[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(data, digest);
    text_hex_encode(out, digest, sizeof(digest));
}

/* Nothing of the manifest is looked at before its signature holds. */
static bool open_manifest(struct package *package, const struct keyring *trusted, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES);
    if (!read_head(package, 0, manifest_name, &text, "bad_manifest", err) ||
        !check_signature(package, buf_view(&text), trusted, err))
        return false;
    hash_hex(buf_view(&text), package->manifest_sha256);
    package->manifest = manifest_parse(buf_view(&text), err);
    return package->manifest != NULL;
}

/* ---- the other entries against the manifest ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct manifest_file *const *)a)->path,
                  (*(const struct manifest_file *const *)b)->path);
}

/* The manifest's files in order of their paths. */
static const struct manifest_file **sort_files(const struct manifest *manifest, struct error *err)
{
    const struct manifest_file **sorted = calloc(manifest->file_count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a package of %zu files", manifest->file_count);
        return NULL;
    }
    for (size_t i = 0; i < manifest->file_count; i++)
        sorted[i] = &manifest->files[i];
    qsort(sorted, manifest->file_count, sizeof(*sorted), by_path);
    return sorted;
}

static int name_of_migration(const void *key, const void *member)
{
    return strcmp(key, ((const struct manifest_migration *)member)->name);
}

/* What the manifest says of an entry; both NULL when nothing. */
static struct content look_up(const struct manifest *manifest, const struct manifest_file **sorted,
                              const struct zip_entry *entry)
{
    struct content content = {.entry = entry};
    struct view name = view_of(entry->name);
    if (view_starts(name, files_prefix)) {
        const struct manifest_file wanted = {.path = entry->name + sizeof(files_prefix) - 1};
        const struct manifest_file *key = &wanted;
        const struct manifest_file **found =
            bsearch(&key, sorted, manifest->file_count, sizeof(*sorted), by_path);
        content.file = found == NULL ? NULL : *found;
    } else if (view_starts(name, migrations_prefix) && manifest->migration_count > 0) {
        content.migration =
            bsearch(entry->name + sizeof(migrations_prefix) - 1, manifest->migrations,
                    manifest->migration_count, sizeof(*manifest->migrations), name_of_migration);
    }
    return content;
}

static int64_t listed_bytes(const struct content *content)
{
    return content->file != NULL ? content->file->size : content->migration->size;
}

static bool add_content(struct package *package, const struct content *content, struct error *err)
{
    const struct zip_entry *entry = content->entry;
    if (content->file == NULL && content->migration == NULL)
        return error_refuse(err, ERR_INPUT, "not_listed", "%s is not in the manifest", entry->name);
    uint64_t listed = (uint64_t)listed_bytes(content);
    if (entry->bytes != listed)
        return error_refuse(err, ERR_INPUT, entry->bytes > listed ? "too_large" : "size_mismatch",
                            "%s has %llu bytes, in the manifest %llu", entry->name,
                            (unsigned long long)entry->bytes, (unsigned long long)listed);
    package->contents[package->content_count++] = *content;
    return true;
}

static bool has_entry(const struct package *package, const struct manifest_file *file,
                      const struct manifest_migration *migration)
{
    for (size_t i = 0; i < package->content_count; i++) {
        if (package->contents[i].file == file && package->contents[i].migration == migration)
            return true;
    }
    return false;
}

static bool missing(struct error *err, const char *prefix, const char *name)
{
    return error_refuse(err, ERR_INPUT, "missing_entry", "%s%s is in the manifest, but not in the package",
                        prefix, name);
}

/* No name is there twice, so as many entries as rows of the manifest are all of them. */
static bool check_complete(const struct package *package, struct error *err)
{
    const struct manifest *manifest = package->manifest;
    if (package->content_count == manifest->file_count + manifest->migration_count)
        return true;
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (!has_entry(package, &manifest->files[i], NULL))
            return missing(err, files_prefix, manifest->files[i].path);
    }
    for (size_t i = 0; i < manifest->migration_count; i++) {
        if (!has_entry(package, NULL, &manifest->migrations[i]))
            return missing(err, migrations_prefix, manifest->migrations[i].name);
    }
    return error_set(err, ERR_INTERNAL, "a package with more entries than it lists");
}

static bool match_entries(struct package *package, struct error *err)
{
    size_t count = zip_index_count(package->index);
    SCOPE_FREE const struct manifest_file **sorted = sort_files(package->manifest, err);
    if (sorted == NULL)
        return false;
    package->contents = calloc(count, sizeof(*package->contents));
    if (package->contents == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a package of %zu entries", count);
    for (size_t i = 2; i < count; i++) {
        struct content content = look_up(package->manifest, sorted, zip_index_entry(package->index, i));
        if (!add_content(package, &content, err))
            return false;
    }
    return check_complete(package, err);
}

static bool fill(struct package *package, int fd, const struct keyring *trusted, struct error *err)
{
    package->fd = fd;
    package->signature = (struct buf)BUF_LIMIT(SIGNATURE_MAX_BYTES);
    package->index = zip_index_read(fd, err);
    return package->index != NULL && open_manifest(package, trusted, err) && match_entries(package, err);
}

struct package *package_open(int fd, const struct keyring *trusted, struct error *err)
{
    struct package *package = calloc(1, sizeof(*package));
    if (package == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a package");
    else if (fill(package, fd, trusted, err))
        return package;
    package_close(package);
    return NULL;
}

/* ---- content ---- */

struct reading {
    const struct package_sink *sink; /* NULL: checks only */
    struct sha256 hash;
};

static bool take_piece(void *context, struct view piece, struct error *err)
{
    struct reading *reading = context;
    sha256_add(&reading->hash, piece.data, piece.size);
    return reading->sink == NULL || reading->sink->data(reading->sink->context, piece, err);
}

static bool read_content(const struct package *package, const struct content *content,
                         const struct package_sink *sink, struct error *err)
{
    struct reading reading = {.sink = sink};
    sha256_start(&reading.hash);
    if (sink != NULL && sink->begin != NULL &&
        !sink->begin(sink->context, content->file, content->migration, err))
        return false;
    if (!zip_entry_read(package->fd, content->entry, take_piece, &reading, err))
        return false;
    char found[SHA256_HEX_BYTES];
    sha256_finish_hex(&reading.hash, found);
    const char *listed = content->file != NULL ? content->file->sha256 : content->migration->sha256;
    if (strcmp(found, listed) != 0)
        return error_refuse(err, ERR_INPUT, "hash_mismatch", "%s is not what the manifest lists (SHA-256)",
                            content->entry->name);
    return sink == NULL || sink->end == NULL || sink->end(sink->context, err);
}

bool package_read(struct package *package, const struct package_sink *sink, struct error *err)
{
    for (size_t i = 0; i < package->content_count; i++) {
        if (!read_content(package, &package->contents[i], sink, err))
            return false;
    }
    return true;
}

bool package_read_migration(struct package *package, size_t number, struct buf *out, struct error *err)
{
    const struct package_sink sink = {.context = out, .data = append_piece};
    for (size_t i = 0; i < package->content_count; i++) {
        if (package->contents[i].migration == &package->manifest->migrations[number])
            return read_content(package, &package->contents[i], &sink, err);
    }
    return error_set(err, ERR_INTERNAL, "a package has no migration %zu", number);
}
