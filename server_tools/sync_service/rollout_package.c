#include "server_tools/sync_service/rollout_package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/crypto/random.h"

#define TEMPORARY ".taken-" /* and a UUID: processes of several containers may share the folder */

enum { FOLDER_MODE = 0750, COPY_BYTES = 64 * 1024, SWEEP_AGE_S = 24 * 3600 };

/* ---- taking one ---- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool describe(const struct package *package, struct rollout_package *out, struct error *err)
{
    const struct manifest *manifest = package_manifest(package);
    snprintf(out->product, sizeof(out->product), "%s", manifest->product);
    snprintf(out->version, sizeof(out->version), "%s", manifest->version);
    snprintf(out->manifest_sha256, sizeof(out->manifest_sha256), "%s", package_manifest_sha256(package));
    snprintf(out->signer, sizeof(out->signer), "%s", package_signer(package));
    snprintf(out->notes, sizeof(out->notes), "%s", manifest->notes);
    text_make_printable(out->notes);
    return text_copy(out->signature, sizeof(out->signature), text_trim(package_signature(package))) ||
           error_set(err, ERR_INPUT, "its signature is longer than any");
}

static bool look_at(int fd, const struct keyring *trusted, struct rollout_package *out, struct error *err)
{
    SCOPE_PACKAGE struct package *package = package_open(fd, trusted, err);
    return package != NULL && package_read(package, NULL, err) && describe(package, out, err);
}

/* A file that somebody named and that cannot be read; always false. */
static bool no_input(struct error *err)
{
    if (err->code != ERR_MEMORY)
        err->code = ERR_INPUT;
    return false;
}

static bool verify(int fd, const char *key_file, struct rollout_package *out, struct error *err)
{
    struct keyring keys = {.count = 0};
    bool asked = key_file != NULL && key_file[0] != '\0';
    if (asked && !keyring_load(key_file, &keys, err))
        return no_input(err) || error_wrap(err, "the key that updates are signed with");
    bool ok = look_at(fd, asked ? &keys : NULL, out, err);
    keyring_clear(&keys);
    return ok;
}

static bool copy_bytes(int from, int to, struct rollout_package *out, struct error *err)
{
    char piece[COPY_BYTES];
    struct sha256 hash;
    sha256_start(&hash);
    for (int64_t at = 0; at < out->bytes;) {
        size_t size = out->bytes - at < COPY_BYTES ? (size_t)(out->bytes - at) : (size_t)COPY_BYTES;
        if (!file_read_at(from, (uint64_t)at, piece, size, err) || !file_write_all(to, piece, size, err))
            return false;
        sha256_add(&hash, piece, size);
        at += (int64_t)size;
    }
    sha256_finish_hex(&hash, out->sha256);
    return true;
}

static bool stored_path(const char *folder, const char *sha256, struct path *out, struct error *err)
{
    return path_printf(out, err, "%s/%s.zip", folder, sha256);
}

/* What is verified is the copy, so that nobody changes it in between. */
static bool store(int from, const char *key_file, const char *folder, const struct path *temporary,
                  struct rollout_package *out, struct error *err)
{
    struct path path;
    SCOPE_FD int fd = file_create(temporary->text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0640, err);
    return fd >= 0 && copy_bytes(from, fd, out, err) && verify(fd, key_file, out, err) &&
           stored_path(folder, out->sha256, &path, err) && file_publish(fd, temporary->text, path.text, err);
}

bool rollout_package_take(const char *path, const char *key_file, const char *folder,
                          struct rollout_package *out, struct error *err)
{
    struct stat about;
    struct path temporary;
    char uuid[UUID_TEXT_BYTES];
    random_uuid(uuid);
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_NONBLOCK, err);
    *out = (struct rollout_package){.bytes = 0};
    if (fd < 0)
        return no_input(err);
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return error_set(err, ERR_INPUT, "%s is no file", path);
    out->bytes = about.st_size;
    snprintf(out->name, sizeof(out->name), "%s", name_of(path));
    text_make_printable(out->name);
    if (!folder_make_all(folder, FOLDER_MODE, err) ||
        !path_printf(&temporary, err, "%s/" TEMPORARY "%s", folder, uuid))
        return error_wrap(err, "ROLLOUT_DIR");
    if (store(fd, key_file, folder, &temporary, out, err))
        return true;
    struct error unused;
    (void)!file_remove(temporary.text, &unused);
    text_make_printable(err->text);
    return error_wrap(err, "%s", out->name);
}

/* ---- sending one ---- */

static void clear_stored(struct rollout_stored *stored)
{
    if (stored->sha256[0] != '\0')
        close(stored->fd);
    *stored = (struct rollout_stored){.fd = -1};
}

void rollout_shelf_clear(struct rollout_shelf *shelf)
{
    for (size_t i = 0; i < ROLLOUT_SHELF_MAX; i++)
        clear_stored(&shelf->items[i]);
}

static bool is_the_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* out: empty. */
static bool open_stored(const char *path, const char *sha256, struct rollout_stored *out, struct error *err)
{
    char found[SHA256_HEX_BYTES];
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, err);
    if (fd < 0)
        return false;
    if (fstat(fd, &out->about) != 0 || !S_ISREG(out->about.st_mode))
        return error_set(err, ERR_CORRUPT, "%s is no file", path);
    if (!sha256_file_hex(fd, found, err))
        return false;
    if (strcmp(found, sha256) != 0)
        return error_set(err, ERR_CORRUPT, "%s has other bytes than the rollout began with", path);
    snprintf(out->sha256, sizeof(out->sha256), "%s", sha256);
    out->fd = fd_take(&fd);
    return true;
}

/* The one of this hash, or an empty place for it. */
static struct rollout_stored *place_of(struct rollout_shelf *shelf, const char *sha256)
{
    for (size_t i = 0; i < ROLLOUT_SHELF_MAX; i++) {
        if (strcmp(shelf->items[i].sha256, sha256) == 0)
            return &shelf->items[i];
    }
    struct rollout_stored *place = &shelf->items[shelf->next];
    shelf->next = (shelf->next + 1) % ROLLOUT_SHELF_MAX;
    clear_stored(place);
    return place;
}

int rollout_package_open(struct rollout_shelf *shelf, const char *folder, const char *sha256,
                         struct error *err)
{
    struct path path;
    struct stat about;
    if (!stored_path(folder, sha256, &path, err))
        return -1;
    struct rollout_stored *stored = place_of(shelf, sha256);
    bool kept =
        stored->sha256[0] != '\0' && stat(path.text, &about) == 0 && is_the_same(&about, &stored->about);
    if (!kept) {
        clear_stored(stored);
        if (!open_stored(path.text, sha256, stored, err)) {
            error_wrap(err, "the package of the rollout (ROLLOUT_DIR)");
            return -1;
        }
    }
    int fd = fcntl(stored->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        error_set_errno(err, "%s", path.text);
    return fd;
}

/* ---- those that nobody needs any more ---- */

/* <64 hex digits>.zip */
static bool is_stored_name(const char *name, char sha256[SHA256_HEX_BYTES])
{
    enum { HEX = SHA256_HEX_BYTES - 1 };
    if (strspn(name, "0123456789abcdef") != HEX || strcmp(name + HEX, ".zip") != 0)
        return false;
    memcpy(sha256, name, HEX);
    sha256[HEX] = '\0';
    return true;
}

static bool is_kept(const char *sha256, const char (*kept)[SHA256_HEX_BYTES], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kept[i], sha256) == 0)
            return true;
    }
    return false;
}

static bool is_left_over(const char *name, const char (*kept)[SHA256_HEX_BYTES], size_t count)
{
    char sha256[SHA256_HEX_BYTES];
    return is_stored_name(name, sha256) ? !is_kept(sha256, kept, count)
                                        : view_starts(view_of(name), TEMPORARY);
}

bool rollout_package_sweep(const char *folder, const char (*kept)[SHA256_HEX_BYTES], size_t count,
                           const struct clock *clock, struct error *err)
{
    SCOPE_DIR DIR *entries = opendir(folder);
    if (entries == NULL)
        return error_set_errno(err, "%s", folder);
    int64_t before_s = clock_utc_us(clock) / US_PER_S - SWEEP_AGE_S;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat about;
        if (!is_left_over(entry->d_name, kept, count) ||
            fstatat(dirfd(entries), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
            about.st_mtim.tv_sec > before_s)
            continue;
        if (unlinkat(dirfd(entries), entry->d_name, 0) != 0 && errno != ENOENT)
            return error_set_errno(err, "%s/%s", folder, entry->d_name);
    }
    return true;
}
