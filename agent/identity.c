#include "agent/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { CERT_MODE = 0644, KEY_MODE = 0600, FOLDER_MODE = 0750 };
static const char common_name[] = "telehaul-agent";

struct identity_paths {
    struct path cert, cert_new, key;
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

static bool publish_cert(const struct identity_paths *paths, struct error *err)
{
    SCOPE_FD int fd = file_open(paths->cert_new.text, O_RDONLY, err);
    return fd >= 0 && file_publish(fd, paths->cert_new.text, paths->cert.text, err);
}

static bool make_pair(const struct identity_paths *paths, const struct clock *clock, struct error *err)
{
    SCOPE_BUF struct buf cert = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    bool made = cert_make(common_name, clock, &cert, &key, err) && make_folder_of(paths->cert.text, err) &&
                make_folder_of(paths->key.text, err) &&
                file_replace(paths->cert_new.text, buf_view(&cert), CERT_MODE, err) &&
                file_replace(paths->key.text, buf_view(&key), KEY_MODE, err) && publish_cert(paths, err);
    if (key.data != NULL)
        explicit_bzero(key.data, key.size);
    return made || error_wrap(err, "making the agent's certificate");
}

/* True when the key was written and its certificate was not renamed yet. */
static bool making_was_cut_off(const struct identity_paths *paths)
{
    SCOPE_BUF struct buf cert = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    return file_read_path(paths->cert_new.text, &cert, NULL) && file_read_path(paths->key.text, &key, NULL) &&
           cert_matches_key(buf_view(&cert), buf_view(&key), NULL);
}

static bool complete(const struct identity_paths *paths, const struct clock *clock, bool *made,
                     struct error *err)
{
    bool has_cert = file_exists(paths->cert.text);
    bool has_key = file_exists(paths->key.text);
    *made = !has_cert && !has_key;
    if (*made)
        return make_pair(paths, clock, err);
    if (has_cert && has_key)
        return true;
    if (has_key && making_was_cut_off(paths))
        return publish_cert(paths, err);
    return error_set(
        err, ERR_USAGE, "%s is there but %s is missing: put it back, or move both away for a new pair",
        has_key ? paths->key.text : paths->cert.text, has_key ? paths->cert.text : paths->key.text);
}

/* ---- loading ---- */

static bool load(const struct identity_paths *paths, struct identity *identity, struct error *err)
{
    if (!file_read_path(paths->cert.text, &identity->cert_pem, err) ||
        !file_read_path(paths->key.text, &identity->key_pem, err))
        return false;
    buf_text(&identity->cert_pem);
    buf_text(&identity->key_pem);
    if (!buf_check(&identity->cert_pem, paths->cert.text, err) ||
        !buf_check(&identity->key_pem, paths->key.text, err))
        return false;
    return (cert_agent_id(buf_view(&identity->cert_pem), identity->agent_id, err) &&
            cert_matches_key(buf_view(&identity->cert_pem), buf_view(&identity->key_pem), err)) ||
           error_wrap(err, "%s and %s", paths->cert.text, paths->key.text);
}

bool identity_open(const struct appliance *appliance, const struct clock *clock, struct identity *out,
                   struct error *err)
{
    struct identity_paths paths;
    if (!appliance_path(appliance, appliance->config.agent_cert_file, &paths.cert, err) ||
        !appliance_path(appliance, appliance->config.agent_key_file, &paths.key, err) ||
        !path_printf(&paths.cert_new, err, "%s.new", paths.cert.text))
        return false;
    struct identity identity = {.cert_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES),
                                .key_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES)};
    if (!complete(&paths, clock, &identity.made, err) || !load(&paths, &identity, err)) {
        identity_clear(&identity);
        return false;
    }
    *out = identity;
    return true;
}

void identity_clear(struct identity *identity)
{
    if (identity->key_pem.data != NULL)
        explicit_bzero(identity->key_pem.data, identity->key_pem.size);
    buf_clear(&identity->cert_pem);
    buf_clear(&identity->key_pem);
}
