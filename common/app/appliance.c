#include "common/app/appliance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>

#include "common/app/appliance_keys.h"
#include "common/base/text.h"

enum { CREDENTIALS_MAX_BYTES = 64 * 1024 };

static struct config_file config_of(bool strict, const struct log *log)
{
    return (struct config_file){appliance_keys, appliance_key_count, strict, log, NULL};
}

/* ---- version ------------------------------------------------------------------------------------------- */

static bool is_version(struct view text)
{
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool allowed = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '-' || byte == '+';
        if (!allowed)
            return false;
    }
    return true;
}

/* version.txt beside the bin/ that this program runs from: it names the release, whatever was compiled in. */
static bool release_version(char out[VERSION_BYTES])
{
    struct path program;
    ssize_t size = readlink("/proc/self/exe", program.text, sizeof(program.text) - 1);
    if (size <= 0)
        return false;
    program.text[size] = '\0';
    for (int levels = 0; levels < 2; levels++) {
        char *slash = strrchr(program.text, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    struct path file;
    SCOPE_BUF struct buf text = BUF_LIMIT(VERSION_BYTES);
    if (!path_join(&file, program.text[0] != '\0' ? program.text : "/", "version.txt", NULL) ||
        !file_read_path(file.text, &text, NULL))
        return false;
    struct view rest = buf_view(&text);
    struct view version = text_trim(text_cut(&rest, '\n'));
    return is_version(version) && text_copy(out, VERSION_BYTES, version);
}

/* ---- root and config ----------------------------------------------------------------------------------- */

static bool no_root(const char *root, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND,
                     "%s is no Telehaul root (no config.txt): make one with updater --root %s init", root,
                     root);
}

static bool resolve_root(const char *root, struct path *out, struct error *err)
{
    _Static_assert(PATH_LIMIT_BYTES >= PATH_MAX, "realpath writes up to PATH_MAX bytes");
    struct path resolved;
    if (realpath(root, resolved.text) == NULL)
        return errno == ENOENT ? no_root(root, err) : error_set_errno(err, "%s", root);
    struct path config;
    if (!path_join(&config, resolved.text, "config.txt", err))
        return false;
    if (access(config.text, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return no_root(root, err);
    *out = resolved;
    return true;
}

bool appliance_open(struct appliance *out, const char *root, bool strict, const struct log *log,
                    struct error *err)
{
    struct path folder;
    struct path file;
    if (!resolve_root(root, &folder, err) || !path_join(&file, folder.text, "config.txt", err))
        return false;
    struct appliance appliance = {0};
    struct config_file table = config_of(strict, log);
    if (!config_read(&table, file.text, &appliance.config, err))
        return false;
    struct appliance_config *config = &appliance.config;
    if (config->auth_public_key_file[0] == '\0')
        memcpy(config->auth_public_key_file, config->update_public_key_file, CONFIG_TEXT_BYTES);
    memcpy(appliance.root, folder.text, sizeof(appliance.root));
    if (!release_version(appliance.version))
        snprintf(appliance.version, sizeof(appliance.version), "%s", TELEHAUL_VERSION);
    *out = appliance;
    return true;
}

void appliance_close(struct appliance *appliance)
{
    struct config_file table = config_of(false, NULL);
    config_clear(&table, &appliance->config);
}

bool appliance_path(const struct appliance *appliance, const char *name, struct path *out, struct error *err)
{
    if (name[0] == '/')
        return path_printf(out, err, "%s", name);
    return path_join(out, appliance->root, name, err);
}

void appliance_default_config(struct buf *out)
{
    struct config_file table = config_of(true, NULL);
    config_write_defaults(&table, out);
}

/* ---- secrets ------------------------------------------------------------------------------------------- */

/* `value`, "value" or 'value'; behind it a blank and `#` begin a comment. */
static bool secret_value(struct view text, struct view *out)
{
    text = text_trim(text);
    if (text.size > 0 && (text.data[0] == '"' || text.data[0] == '\'')) {
        const char *end = memchr(text.data + 1, text.data[0], text.size - 1);
        if (end == NULL)
            return false;
        *out = (struct view){text.data + 1, (size_t)(end - text.data - 1)};
        struct view behind = text_trim((struct view){end + 1, text.size - out->size - 2});
        return behind.size == 0 || behind.data[0] == '#';
    }
    size_t size = 0;
    while (size < text.size && text.data[size] != ' ' && text.data[size] != '\t')
        size++;
    struct view behind = text_trim((struct view){text.data + size, text.size - size});
    *out = (struct view){text.data, size};
    return behind.size == 0 || behind.data[0] == '#';
}

/* Where the secret of this name belongs; NULL: not ours. */
static char *secret_of(struct appliance_secrets *secrets, struct view name)
{
    const struct {
        const char *name;
        char *into;
    } known[] = {
        {"CONFIG_PIN", secrets->config_pin},
        {"OUTBOUND_API_KEY", secrets->outbound_api_key},
        {"EXPORT_DB_PASSWORD", secrets->export_db_password},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (view_is(name, known[i].name))
            return known[i].into;
    }
    return NULL;
}

static bool secrets_line(struct appliance_secrets *secrets, struct view line, struct error *err)
{
    struct view value = text_trim(line);
    if (value.size == 0 || value.data[0] == '#')
        return true;
    struct view name = text_trim(text_cut(&value, '='));
    char *into = secret_of(secrets, name);
    if (into == NULL)
        return true;
    struct view secret;
    if (!secret_value(value, &secret) || !text_copy(into, SECRET_BYTES, secret))
        return error_set(err, ERR_USAGE, "%.*s: expected one value of at most %d bytes", VIEW_ARG(name),
                         SECRET_BYTES - 1); /* never the secret itself */
    return true;
}

bool appliance_secrets(const struct appliance *appliance, struct appliance_secrets *out, struct error *err)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    if (!appliance_path(appliance, "credentials.env", &path, err) ||
        !file_read_private(path.text, &text, err))
        return false;
    struct appliance_secrets secrets = {0};
    struct view rest = buf_view(&text);
    for (unsigned number = 1; rest.size > 0; number++) {
        struct view line = text_cut(&rest, '\n');
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (!secrets_line(&secrets, line, err))
            return error_wrap(err, "%s:%u", path.text, number);
    }
    *out = secrets;
    return true;
}

static bool is_loopback(const char *bind)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, bind, &v4) == 1)
        return (ntohl(v4.s_addr) & 0xFF000000U) == 0x7F000000U;
    return inet_pton(AF_INET6, bind, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool appliance_portal_tls(const struct appliance_config *config)
{
    if (config->portal_tls == PORTAL_TLS_AUTO)
        return !is_loopback(config->portal_bind);
    return config->portal_tls == PORTAL_TLS_YES;
}
