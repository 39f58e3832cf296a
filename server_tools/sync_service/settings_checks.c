#include "server_tools/sync_service/settings_checks.h"

#include "common/crypto/cert.h"
#include "common/crypto/rsa.h"
#include "common/net/mail_message.h"
#include "common/net/web_url.h"
#include "common/os/file.h"
#include "keys/keyring.h"
#include "server_tools/sync_service/notice.h"

enum { AUTHORITIES_MAX_BYTES = 4 * 1024 * 1024 };

/* err has what is wrong with the file. */
static bool expected(struct error *err, const char *what)
{
    bool denied = err->code == ERR_DENIED && err->sys_errno == 0; /* others may read it */
    if (err->code != ERR_MEMORY && !denied) {
        err->code = ERR_USAGE;
        err->sys_errno = 0;
    }
    return error_wrap(err, "expected %s", what);
}

static bool check_private_key(const char *path, struct error *err)
{
    SCOPE_RSA_PRIVATE struct rsa_private *key = rsa_private_load(path, err);
    return key != NULL || expected(err, "an RSA private key (PEM, 0600)");
}

static bool check_public_keys(const char *path, struct error *err)
{
    struct keyring keys = {.count = 0};
    if (!keyring_load(path, &keys, err))
        return expected(err, "a file of public keys (PEM)");
    keyring_clear(&keys);
    return true;
}

static bool check_authorities(const char *path, struct error *err)
{
    char first[SHA256_HEX_BYTES];
    SCOPE_BUF struct buf text = BUF_LIMIT(AUTHORITIES_MAX_BYTES);
    if (!file_read_path(path, &text, err))
        return expected(err, "a file of certificates (PEM)");
    if (cert_agent_id(buf_view(&text), first, err))
        return true;
    error_wrap(err, "%s", path);
    return expected(err, "a file of certificates (PEM)");
}

static bool check_mail_server(const char *url, struct error *err)
{
    return web_url_check(url, "smtp|smtps", err);
}

static bool check_sender(const char *address, struct error *err)
{
    return mail_address_ok(view_of(address)) ||
           error_set(err, ERR_USAGE, "expected an email address, name@host, found `%.80s`", address);
}

static bool check_bot_token(const char *token, struct error *err)
{
    return notice_telegram_token_ok(token) ||
           error_set(err, ERR_USAGE, "expected a bot's token, 12345:AbC...");
}

#define AT(field) offsetof(struct sync_settings, field)
const struct settings_check settings_checks[] = {
    {"AUTH_KEY_FILE", AT(auth_key_file), true, check_private_key},
    {"UPDATE_PUBLIC_KEY_FILE", AT(update_public_key_file), true, check_public_keys},
    {"NOTICE_CA_FILE", AT(notice_ca_file), true, check_authorities},
    {"SMTP_URL", AT(smtp_url), false, check_mail_server},
    {"SMTP_FROM", AT(smtp_from), false, check_sender},
    {"TELEGRAM_URL", AT(telegram_url), false, web_url_check_secret},
    {"TELEGRAM_TOKEN", AT(telegram_token), false, check_bot_token},
};
const size_t settings_check_count = COUNT_OF(settings_checks);
