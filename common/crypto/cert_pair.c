#include "common/crypto/cert_pair.h"

#include <fcntl.h>
#include <string.h>

#include "common/os/file.h"

enum { CERT_MODE = 0644, KEY_MODE = 0600, FOLDER_MODE = 0750 };

struct pair {
    const char *cert, *key, *common_name;
    struct path cert_new;
};

/* ---- making ----
 * The certificate is written as <cert>.new, then the key, then the certificate is renamed into its place. So
 * a key without a certificate but with a .new that fits is a crash between the two, and anything else is
 * somebody's mistake. */

static bool make_folder_of(const char *path, struct error *err)
{
    struct path folder;
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash == path ||
           (path_printf(&folder, err, "%.*s", (int)(slash - path), path) &&
            folder_make_all(folder.text, FOLDER_MODE, err));
}

static bool publish_cert(const struct pair *pair, struct error *err)
{
    SCOPE_FD int fd = file_open(pair->cert_new.text, O_RDONLY, err);
    return fd >= 0 && file_publish(fd, pair->cert_new.text, pair->cert, err);
}

static bool make_pair(const struct pair *pair, const struct clock *clock, struct error *err)
{
    SCOPE_BUF struct buf cert = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    bool made = cert_make(pair->common_name, clock, &cert, &key, err) && make_folder_of(pair->cert, err) &&
                make_folder_of(pair->key, err) &&
                file_replace(pair->cert_new.text, buf_view(&cert), CERT_MODE, err) &&
                file_replace(pair->key, buf_view(&key), KEY_MODE, err) && publish_cert(pair, err);
    if (key.data != NULL)
        explicit_bzero(key.data, key.size);
    return made || error_wrap(err, "making a certificate");
}

/* True when the key was written and its certificate was not renamed yet. */
static bool making_was_cut_off(const struct pair *pair)
{
    SCOPE_BUF struct buf cert = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    return file_read_path(pair->cert_new.text, &cert, NULL) && file_read_path(pair->key, &key, NULL) &&
           cert_matches_key(buf_view(&cert), buf_view(&key), NULL);
}

static bool complete(const struct pair *pair, const struct clock *clock, bool *made, struct error *err)
{
    bool has_cert = file_exists(pair->cert);
    bool has_key = file_exists(pair->key);
    *made = !has_cert && !has_key;
    if (*made)
        return make_pair(pair, clock, err);
    if (has_cert && has_key)
        return true;
    if (has_key && making_was_cut_off(pair))
        return publish_cert(pair, err);
    return error_set(err, ERR_USAGE,
                     "%s is there but %s is missing: put it back, or move both away for a new pair",
                     has_key ? pair->key : pair->cert, has_key ? pair->cert : pair->key);
}

/* ---- loading ---- */

static bool load(const struct pair *pair, struct cert_pair *out, struct error *err)
{
    if (!file_read_path(pair->cert, &out->cert_pem, err) || !file_read_path(pair->key, &out->key_pem, err))
        return false;
    buf_text(&out->cert_pem);
    buf_text(&out->key_pem);
    if (!buf_check(&out->cert_pem, pair->cert, err) || !buf_check(&out->key_pem, pair->key, err))
        return false;
    return cert_matches_key(buf_view(&out->cert_pem), buf_view(&out->key_pem), err) ||
           error_wrap(err, "%s and %s", pair->cert, pair->key);
}

bool cert_pair_open(const char *cert_path, const char *key_path, const char *common_name,
                    const struct clock *clock, struct cert_pair *out, struct error *err)
{
    struct pair pair = {.cert = cert_path, .key = key_path, .common_name = common_name};
    if (!path_printf(&pair.cert_new, err, "%s.new", cert_path))
        return false;
    struct cert_pair opened = {.cert_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES),
                               .key_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES)};
    if (!complete(&pair, clock, &opened.made, err) || !load(&pair, &opened, err)) {
        cert_pair_clear(&opened);
        return false;
    }
    *out = opened;
    return true;
}

void cert_pair_clear(struct cert_pair *pair)
{
    if (pair->key_pem.data != NULL)
        explicit_bzero(pair->key_pem.data, pair->key_pem.size);
    buf_clear(&pair->cert_pem);
    buf_clear(&pair->key_pem);
}
