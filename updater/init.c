#include "updater/init.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/app/appliance.h"
#include "common/base/asset.h"
#include "common/base/text.h"
#include "common/crypto/random.h"
#include "keys/keyring.h"
#include "updater/release.h"

extern const struct asset boot_assets[]; /* made by packaging/embed */

enum {
    CREDENTIALS_MAX_BYTES = 1024,
    API_KEY_RANDOM_BYTES = (INIT_API_KEY_BYTES - 1) / 2,
};

/* The private ones become the services' when the watchdog starts as root with SERVICE_USER. */
static const struct {
    const char *name;
    mode_t mode;
} folders[] = {
    {"agent", 0700}, {"data", 0750}, {"pending_update", 0750}, {"backups", 0750}, {"log", 0755},
    {"run", 0755},   {"keys", 0755}, {"releases", 0755},       {"boot", 0755},
};

static bool make_folders(const char *root, struct error *err)
{
    if (!folder_make_all(root, 0755, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        struct path path;
        if (!path_join(&path, root, folders[i].name, err) ||
            !folder_make_all(path.text, folders[i].mode, err))
            return false;
        /* one that an earlier init was cut off from may be there with another mode */
        if (chmod(path.text, folders[i].mode) != 0)
            return error_set_errno(err, "chmod %s", path.text);
    }
    return true;
}

static bool put_file(const char *root, const char *name, struct view content, mode_t mode, struct error *err)
{
    struct path path;
    return path_join(&path, root, name, err) && file_replace(path.text, content, mode, err);
}

static bool put_credentials(const char *root, struct init_result *made, struct error *err)
{
    unsigned char key[API_KEY_RANDOM_BYTES];
    random_digits(made->pin, sizeof(made->pin) - 1);
    random_bytes(key, sizeof(key));
    text_hex_encode(made->api_key, key, sizeof(key));
    SCOPE_BUF struct buf text = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    buf_printf(&text,
               "# This machine's secrets. Mode 0600; no update touches them.\n"
               "CONFIG_PIN = %s\nOUTBOUND_API_KEY = %s\n",
               made->pin, made->api_key);
    return buf_check(&text, "credentials.env", err) &&
           put_file(root, "credentials.env", buf_view(&text), 0600, err);
}

/* pem: what --public-key names; checked before anything is made. */
static bool read_public_key(const char *path, struct buf *pem, struct error *err)
{
    struct keyring ring;
    if (!file_read_path(path, pem, err) || !keyring_parse(buf_view(pem), &ring, err))
        return error_wrap(err, "--public-key %s", path);
    keyring_clear(&ring);
    return true;
}

static bool put_boot_start(const char *root, struct error *err)
{
    const struct asset *program = asset_find(boot_assets, "start");
    if (program == NULL)
        return error_set(err, ERR_INTERNAL, "boot/start was not built in");
    return put_file(root, "boot/start", asset_view(program), 0755, err);
}

/* The release of an init that was cut off is whole, because it was renamed into its place; it may stay when
 * it is the one that is asked for. */
static bool put_release(const char *root, const char *from, const char *version, struct error *err)
{
    struct error cause = {.code = ERR_NONE};
    if (!release_install(root, from, version, &cause)) {
        if (err != NULL)
            *err = cause;
        if (cause.code != ERR_EXISTS)
            return false;
        struct path there;
        char hash_there[RELEASE_TREE_HEX_BYTES];
        char hash_asked[RELEASE_TREE_HEX_BYTES];
        if (!path_printf(&there, err, "%s/releases/%s", root, version) ||
            !release_tree_sha256(there.text, hash_there, err) || !release_tree_sha256(from, hash_asked, err))
            return false;
        if (strcmp(hash_there, hash_asked) != 0)
            return error_set(err, ERR_EXISTS,
                             "%s is left of an init that was cut off and differs from %s: remove it",
                             there.text, from);
        if (!folder_sync_of(there.text, err)) /* it was cut off perhaps just before that */
            return false;
    }
    return release_switch(root, version, err);
}

static bool put_config(const char *root, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    appliance_default_config(&text);
    return buf_check(&text, "config.txt", err) && put_file(root, "config.txt", buf_view(&text), 0644, err);
}

static bool refuse_root(const char *root, struct error *err)
{
    struct path config;
    if (!path_join(&config, root, "config.txt", err))
        return false;
    return !file_exists(config.text) ||
           error_set(err, ERR_EXISTS, "%s is a machine's folder already (it has config.txt)", root);
}

bool init_root(const struct init_request *request, struct init_result *out, struct error *err)
{
    const char *root = request->root;
    SCOPE_BUF struct buf pem = BUF_LIMIT(KEYRING_MAX_BYTES);
    if (!refuse_root(root, err))
        return false;
    if (request->public_key != NULL && !read_public_key(request->public_key, &pem, err))
        return false;
    if (!release_check(request->from, request->version, err) || !make_folders(root, err))
        return false;
    struct path lock_path;
    if (!path_join(&lock_path, root, "run/update.lock", err))
        return false;
    SCOPE_FD int lock = file_lock(lock_path.text, err);
    if (lock < 0 || !refuse_root(root, err))
        return false;
    struct init_result made;
    if (!put_release(root, request->from, request->version, err) || !put_boot_start(root, err) ||
        !put_credentials(root, &made, err))
        return false;
    if (request->public_key != NULL && !put_file(root, "keys/update_public.pem", buf_view(&pem), 0644, err))
        return false;
    if (!put_config(root, err))
        return false;
    *out = made;
    return true;
}
