#include "server_tools/publish/pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "common/pack/zip_writer.h"
#include "keys/keyring.h"

enum { HEAD_MODE = 0644, PACKAGE_MODE = 0644, FOLDER_MODE = 0755 };

struct signature {
    char text[TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES)];
};

static bool sign(const struct rsa_private *key, struct view manifest, struct signature *out,
                 struct error *err)
{
    unsigned char bytes[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    if (!rsa_pss_sign_repeatable(key, manifest, bytes, &size, err))
        return false;
    text_base64_encode(out->text, bytes, size);
    return true;
}

static bool add_text(struct zip_writer *zip, const char *name, struct view content, struct error *err)
{
    return zip_writer_begin(zip, name, HEAD_MODE, (int64_t)content.size, err) &&
           zip_writer_data(zip, content, err);
}

static bool take_piece(void *context, struct view piece, struct error *err)
{
    return zip_writer_data(context, piece, err);
}

/* The bytes that were hashed before are those that are packed now. */
static bool add_file(struct zip_writer *zip, const struct settings *settings,
                     const struct manifest_file *file, struct progress *progress, struct error *err)
{
    struct path name;
    char sha256[SHA256_HEX_BYTES];
    int64_t size;
    SCOPE_FD int fd = contents_open(settings, file->path, err);
    if (fd < 0 || !path_printf(&name, err, "files/%s", file->path) ||
        !zip_writer_begin(zip, name.text, file->mode, file->size, err))
        return false;
    bool read = contents_stream(fd, progress, take_piece, zip, sha256, &size, err);
    if (read && size == file->size && strcmp(sha256, file->sha256) == 0)
        return true;
    if (!read && err->code != ERR_INTERNAL) /* which is: more bytes than before */
        return error_wrap(err, "%s", file->path);
    return error_set(err, ERR_CHANGED, "%s was written to while it was packed: publish again", file->path);
}

static bool add_all(struct zip_writer *zip, const struct settings *settings, const struct contents *contents,
                    struct progress *progress, struct error *err)
{
    const struct manifest *manifest = &contents->manifest;
    progress_begin(progress, "packing", manifest->bytes);
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (!add_file(zip, settings, &manifest->files[i], progress, err))
            return false;
    }
    for (size_t i = 0; i < manifest->migration_count; i++) {
        struct path name;
        if (!path_printf(&name, err, "migrations/%s", manifest->migrations[i].name) ||
            !add_text(zip, name.text, buf_view(&contents->sql[i]), err))
            return false;
    }
    return true;
}

static bool write_zip(int fd, const struct settings *settings, const struct contents *contents,
                      const struct rsa_private *key, struct progress *progress, struct error *err)
{
    struct signature signature;
    SCOPE_BUF struct buf manifest = BUF_LIMIT(MANIFEST_MAX_BYTES);
    manifest_write(&contents->manifest, &manifest);
    if (!buf_check(&manifest, "the manifest", err) || !sign(key, buf_view(&manifest), &signature, err))
        return false;
    SCOPE_ZIP_WRITER struct zip_writer *zip = zip_writer_new(fd, err);
    return zip != NULL && add_text(zip, "manifest.json", buf_view(&manifest), err) &&
           add_text(zip, "manifest.sig", view_of(signature.text), err) &&
           add_all(zip, settings, contents, progress, err) && zip_writer_end(zip, err);
}

/* What the machine will look at, but for the content, which was just hashed. */
static bool check_own(int fd, const struct rsa_private *key, struct packed *out, struct error *err)
{
    struct keyring ring = {.count = 0};
    SCOPE_BUF struct buf pem = BUF_LIMIT(KEYRING_MAX_BYTES);
    if (!rsa_private_write_public_pem(key, &pem, err) || !keyring_parse(buf_view(&pem), &ring, err))
        return false;
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, err);
    keyring_clear(&ring);
    if (package == NULL)
        return error_wrap(err, "the package that was made");
    memcpy(out->manifest_sha256, package_manifest_sha256(package), sizeof(out->manifest_sha256));
    memcpy(out->signer, package_signer(package), sizeof(out->signer));
    out->bytes = (int64_t)lseek(fd, 0, SEEK_END);
    return true;
}

static bool write_and_publish(const char *temporary, const struct settings *settings,
                              const struct contents *contents, const struct rsa_private *key,
                              struct progress *progress, struct packed *out, struct error *err)
{
    SCOPE_FD int fd = file_create(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, PACKAGE_MODE, err);
    if (fd < 0)
        return false;
    bool done = write_zip(fd, settings, contents, key, progress, err) && check_own(fd, key, out, err) &&
                file_publish(fd, temporary, out->file.text, err);
    progress_end(progress);
    if (!done)
        (void)!file_remove(temporary, NULL);
    return done;
}

bool pack_write(const struct settings *settings, const struct contents *contents, struct progress *progress,
                struct packed *out, struct error *err)
{
    struct path temporary;
    SCOPE_RSA_PRIVATE struct rsa_private *key = rsa_private_load(settings->key_file, err);
    if (key == NULL)
        return error_wrap(err, "--key");
    if (!folder_make_all(settings->output, FOLDER_MODE, err) ||
        !path_printf(&out->file, err, "%s/update_v%s.zip", settings->output, settings->version) ||
        !path_printf(&temporary, err, "%s/.update_v%s.zip.tmp", settings->output, settings->version) ||
        !file_remove(temporary.text, err)) /* of a run that was killed */
        return false;
    return write_and_publish(temporary.text, settings, contents, key, progress, out, err);
}
