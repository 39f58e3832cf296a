#include "server_tools/sync_service/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/http_client.h"
#include "common/os/file.h"
#include "server_tools/sync_service/settings_checks.h"
#include "server_tools/sync_service/settings_keys.h"

enum { CREDENTIALS_MAX_BYTES = 64 * 1024 };
static const char credentials_name[] = "credentials.env";

/* ---- credentials.env ---- */

static bool take_credential(const struct config_file *table, const char *origin, struct view line,
                            struct sync_settings *out, struct error *err)
{
    char key[CONFIG_TEXT_BYTES];
    struct view value = text_trim(line);
    if (value.size == 0 || value.data[0] == '#')
        return true;
    struct view name = text_trim(text_cut(&value, '='));
    if (!text_copy(key, sizeof(key), name))
        return error_set(err, ERR_USAGE, "%s: expected KEY=value", origin);
    struct error problem;
    if (config_set(table, origin, key, text_trim(value), out, &problem) || problem.code == ERR_NOT_FOUND)
        return true; /* other programs' secrets may stand there too */
    return error_set(err, ERR_USAGE, "%s: %s is not what it must be", origin, key); /* never the secret */
}

/* None beside the config is no error. */
static bool read_credentials(const struct config_file *table, const char *config_path,
                             struct sync_settings *out, struct error *err)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    const char *slash = strrchr(config_path, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - config_path);
    if (!path_printf(&path, err, "%.*s%s", folder, config_path, credentials_name))
        return false;
    if (!file_exists(path.text))
        return true;
    if (!file_read_private(path.text, &text, err))
        return false;
    struct view rest = buf_view(&text);
    while (rest.size > 0) {
        struct view line = text_cut(&rest, '\n');
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (!take_credential(table, path.text, line, out, err))
            return false;
    }
    return true;
}

/* ---- the environment ---- */

/* Without the blanks and line ends around it, which a list of variables or a mounted file leaves there;
 * empty: it counts as not set. */
static struct view variable(const char *key)
{
    const char *value = getenv(key);
    struct view text = view_of(value == NULL ? "" : value);
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL)
        text.size--;
    return text_trim(text);
}

static bool read_environment(const struct config_file *table, struct sync_settings *out, struct error *err)
{
    for (size_t i = 0; i < sync_key_count; i++) {
        const char *key = sync_keys[i].name;
        struct view value = variable(key);
        if (value.size == 0)
            continue;
        if (memchr(value.data, '\n', value.size) != NULL || memchr(value.data, '\r', value.size) != NULL)
            return error_set(err, ERR_USAGE, "the environment: %s: expected one line", key);
        if (!config_set(table, "the environment", key, value, out, err))
            return false;
    }
    return true;
}

/* ---- the database ---- */

static const char url_name[] = "the database's address (DB_URL, DB_HOST, DB_NAME, DB_USER, DB_PASSWORD)";

static bool is_in_environment(const char *key)
{
    return variable(key).size > 0;
}

/* What the environment says of a part wins over the URL of the file: of two words for the same libpq takes
 * the last one (https://www.postgresql.org/docs/15/libpq-connect.html, 34.1.1.2). */
static bool overlay_url(struct sync_settings *settings, struct error *err)
{
    char port[sizeof("65535")];
    const struct {
        const char *key, *word, *value;
    } parts[] = {
        {"DB_HOST", "host", settings->db_host},
        {"DB_PORT", "port", port},
        {"DB_NAME", "dbname", settings->db_name},
        {"DB_USER", "user", settings->db_user},
        {"DB_PASSWORD", "password", settings->db_password},
    };
    SCOPE_BUF struct buf url = BUF_LIMIT(sizeof(settings->db_url) - 1);
    snprintf(port, sizeof(port), "%u", (unsigned)(uint16_t)settings->db_port);
    const char *separator = strchr(settings->db_url, '?') == NULL ? "?" : "&";
    buf_append_text(&url, settings->db_url);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!is_in_environment(parts[i].key))
            continue;
        buf_printf(&url, "%s%s=", separator, parts[i].word);
        http_encode(&url, view_of(parts[i].value));
        separator = "&";
    }
    return buf_check(&url, url_name, err) &&
           text_copy(settings->db_url, sizeof(settings->db_url), buf_view(&url));
}

static bool build_url(struct sync_settings *settings, struct error *err)
{
    if (settings->db_url[0] != '\0')
        return is_in_environment("DB_URL") || overlay_url(settings, err);
    SCOPE_BUF struct buf url = BUF_LIMIT(sizeof(settings->db_url) - 1);
    buf_printf(&url, "postgresql://");
    http_encode(&url, view_of(settings->db_user));
    if (settings->db_password[0] != '\0') {
        buf_append_byte(&url, ':');
        http_encode(&url, view_of(settings->db_password));
    }
    buf_append_byte(&url, '@');
    http_encode(&url, view_of(settings->db_host));
    buf_printf(&url, ":%d/", (int)settings->db_port);
    http_encode(&url, view_of(settings->db_name));
    return buf_check(&url, url_name, err) &&
           text_copy(settings->db_url, sizeof(settings->db_url), buf_view(&url));
}

/* ---- paths ---- */

/* A relative path starts at the config's folder, as everywhere. value: CONFIG_TEXT_BYTES; "" stays. */
static bool beside_config(const char *config_path, const char *key, char *value, struct error *err)
{
    const char *slash = config_path == NULL ? NULL : strrchr(config_path, '/');
    struct path path;
    if (value[0] == '\0' || value[0] == '/' || slash == NULL)
        return true;
    return path_printf(&path, err, "%.*s%s", (int)(slash + 1 - config_path), config_path, value) &&
           (text_copy(value, CONFIG_TEXT_BYTES, view_of(path.text)) ||
            error_set(err, ERR_USAGE, "%s: expected a path of at most %d bytes", key, CONFIG_TEXT_BYTES - 1));
}

/* The key of the signed sessions: $TELEHAUL_KEY, which sync_client takes too, starts at our folder. */
static bool find_auth_key(const char *config_path, struct sync_settings *settings, struct error *err)
{
    const char *variable = getenv("TELEHAUL_KEY");
    if (settings->auth_key_file[0] == '\0')
        return variable == NULL || text_copy(settings->auth_key_file, CONFIG_TEXT_BYTES, view_of(variable)) ||
               error_set(err, ERR_USAGE, "TELEHAUL_KEY: expected a path of at most %d bytes",
                         CONFIG_TEXT_BYTES - 1);
    return beside_config(config_path, "AUTH_KEY_FILE", settings->auth_key_file, err);
}

/* ---- what the values are ---- */

/* As messages name the place of a key's value. */
static void find_origin(const char *config_path, unsigned line, const struct settings_check *check,
                        const char *value, char out[PATH_LIMIT_BYTES])
{
    const char *variable = getenv("TELEHAUL_KEY");
    if (is_in_environment(check->key))
        snprintf(out, PATH_LIMIT_BYTES, "the environment");
    else if (line > 0)
        snprintf(out, PATH_LIMIT_BYTES, "%s:%u", config_path, line);
    else if (variable != NULL && strcmp(value, variable) == 0)
        snprintf(out, PATH_LIMIT_BYTES, "TELEHAUL_KEY");
    else
        snprintf(out, PATH_LIMIT_BYTES, "%s", credentials_name);
}

static unsigned line_of(const struct config_file *table, const char *key)
{
    for (size_t i = 0; i < table->key_count; i++) {
        if (strcmp(table->keys[i].name, key) == 0)
            return table->lines[i];
    }
    return 0;
}

static bool check_values(const struct config_file *table, const char *config_path, bool files,
                         const struct sync_settings *settings, struct error *err)
{
    char origin[PATH_LIMIT_BYTES];
    for (size_t i = 0; i < settings_check_count; i++) {
        const struct settings_check *check = &settings_checks[i];
        const char *value = (const char *)settings + check->offset;
        if (value[0] == '\0' || (check->is_file && !files) || check->run(value, err))
            continue;
        find_origin(config_path, line_of(table, check->key), check, value, origin);
        return error_wrap(err, "%s: %s", origin, check->key);
    }
    return true;
}

bool sync_settings_load(const char *config_path, enum settings_use use, const struct log *log,
                        struct sync_settings *out, struct error *err)
{
    unsigned lines[CONFIG_MAX_KEYS] = {0};
    struct config_file table = {sync_keys, sync_key_count, use == SETTINGS_CHECKED, log, lines};
    struct sync_settings settings = {.db_port = 0};
    bool read = config_path == NULL ? config_parse(&table, "defaults", (struct view){NULL, 0}, &settings, err)
                                    : config_read(&table, config_path, &settings, err);
    if (!read || (config_path != NULL && !read_credentials(&table, config_path, &settings, err)) ||
        !read_environment(&table, &settings, err) || !find_auth_key(config_path, &settings, err) ||
        !beside_config(config_path, "ROLLOUT_DIR", settings.rollout_dir, err) ||
        !beside_config(config_path, "UPDATE_PUBLIC_KEY_FILE", settings.update_public_key_file, err) ||
        !beside_config(config_path, "NOTICE_CA_FILE", settings.notice_ca_file, err) ||
        !check_values(&table, config_path, use != SETTINGS_OF_COMMAND, &settings, err) ||
        !build_url(&settings, err))
        return false;
    *out = settings;
    return true;
}

void sync_settings_log(const struct sync_settings *settings, bool quiet, struct log *log)
{
    log->level = quiet ? LOG_ERROR : (enum log_level)settings->log_level;
    log->format = (enum log_format)settings->log_format;
}
