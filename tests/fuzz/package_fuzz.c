/* The verifier of packages as a whole. The first byte says what the others are: `z` a zip, as it is; `p` a
 * manifest, a NUL, and then names and contents with NULs between, which are packed here, so that what is
 * behind the zip's structure is reached. A package that is taken has exactly the entries that it lists, and
 * none that differs ends. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/os/file.h"
#include "common/pack/zip_writer.h"
#include "updater/package.h"

enum { CONTENT_MAX_BYTES = 4 * 1024 * 1024 /* of one package: time, not correctness */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct view cut(struct view *rest)
{
    const char *nul = rest->size == 0 ? NULL : memchr(rest->data, '\0', rest->size);
    struct view piece = {rest->data, nul == NULL ? rest->size : (size_t)(nul - rest->data)};
    size_t used = piece.size + (nul == NULL ? 0 : 1);
    *rest = (struct view){rest->data + used, rest->size - used};
    return piece;
}

static bool add(struct zip_writer *zip, struct view name, struct view content)
{
    struct path text;
    return path_printf(&text, NULL, "%.*s", VIEW_ARG(name)) &&
           zip_writer_begin(zip, text.text, 0644, (int64_t)content.size, NULL) &&
           zip_writer_data(zip, content, NULL);
}

static bool pack(int fd, struct view rest)
{
    SCOPE_ZIP_WRITER struct zip_writer *zip = zip_writer_new(fd, NULL);
    if (zip == NULL || !add(zip, VIEW_LITERAL("manifest.json"), cut(&rest)) ||
        !add(zip, VIEW_LITERAL("manifest.sig"), VIEW_LITERAL("bWFkZSB1cA==")))
        return false;
    while (rest.size > 0) {
        struct view name = cut(&rest);
        if (!add(zip, name, cut(&rest)))
            return false;
    }
    return zip_writer_end(zip, NULL);
}

/* What a sink is told, in the right order. */
struct seen {
    const struct manifest_file *file;
    const struct manifest_migration *migration;
    int64_t bytes, all_bytes;
    size_t ended;
};

static bool begin(void *context, const struct manifest_file *file, const struct manifest_migration *migration,
                  struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(seen->file == NULL && seen->migration == NULL && (file == NULL) != (migration == NULL));
    seen->file = file;
    seen->migration = migration;
    seen->bytes = 0;
    return true;
}

static int64_t listed(const struct seen *seen)
{
    return seen->file != NULL ? seen->file->size : seen->migration->size;
}

static bool take(void *context, struct view piece, struct error *err)
{
    struct seen *seen = context;
    seen->bytes += (int64_t)piece.size;
    seen->all_bytes += (int64_t)piece.size;
    must(seen->bytes <= listed(seen));
    return seen->all_bytes <= CONTENT_MAX_BYTES || error_set(err, ERR_LIMIT, "enough");
}

static bool end(void *context, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(seen->bytes == listed(seen));
    seen->file = NULL;
    seen->migration = NULL;
    seen->ended++;
    return true;
}

static void check(struct package *package)
{
    const struct manifest *manifest = package_manifest(package);
    struct seen seen = {.bytes = 0};
    struct error err = {.code = ERR_NONE};
    const struct package_sink sink = {&seen, begin, take, end};
    must(package_signer(package)[0] == '\0' && package_signature(package).size > 0);
    if (package_read(package, &sink, &err))
        must(seen.ended == manifest->file_count + manifest->migration_count &&
             seen.all_bytes == manifest->bytes);
    else
        must(err.code == ERR_LIMIT || (err.code == ERR_INPUT && err.reason != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPE_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct error err = {.code = ERR_NONE};
    struct view rest = {(const char *)data + 1, size - 1};
    if (size == 0 || (data[0] != 'z' && data[0] != 'p'))
        return 0;
    if (data[0] == 'p' ? !pack(fd, rest) : !file_write_all(fd, rest.data, rest.size, NULL))
        return 0;
    SCOPE_PACKAGE struct package *package = package_open(fd, NULL, &err);
    if (package != NULL)
        check(package);
    else
        must((err.code == ERR_INPUT || err.code == ERR_DENIED) && err.reason != NULL);
    return 0;
}
