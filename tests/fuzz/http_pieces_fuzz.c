/* The pieces of a request that are parsed here and not by libmicrohttpd: target and query, Host and Origin,
 * the session cookie, Accept, a peer's address. The first byte says which piece. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "agent/accept.h"
#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/net/http_address.h"
#include "common/net/http_client.h"
#include "common/net/http_target.h"
#include "portal/hosts.h"
#include "portal/session.h"

enum { INPUT_MAX_BYTES = 8 * 1024, TEXT_MAX_BYTES = 8 * INPUT_MAX_BYTES };
#define LOCAL "192.0.2.1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the target ---- */

static void must_be_text(const char *text)
{
    must(text_is_utf8(view_of(text)));
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void encode_path(struct buf *out, struct view path)
{
    struct view rest = path;
    text_cut(&rest, '/'); /* nothing stands before the first */
    for (bool more = true; more;) {
        more = memchr(rest.data, '/', rest.size) != NULL;
        buf_append_byte(out, '/');
        http_encode(out, text_cut(&rest, '/'));
    }
}

/* Written anew from what was read, it reads the same. */
static void read_again(const struct http_target *target)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    struct http_target again;
    encode_path(&text, view_of(target->path));
    for (size_t i = 0; i < target->parameter_count; i++) {
        buf_append_byte(&text, i == 0 ? '?' : '&');
        http_encode(&text, view_of(target->parameters[i].name));
        buf_append_byte(&text, '=');
        http_encode(&text, view_of(target->parameters[i].value));
    }
    if (text.size > HTTP_MAX_URL_BYTES) /* three bytes for one */
        return;
    must(http_target_parse(&again, buf_text(&text), NULL));
    must(strcmp(again.path, target->path) == 0 && again.parameter_count == target->parameter_count);
    for (size_t i = 0; i < target->parameter_count; i++) {
        const char *value = http_target_parameter(&again, target->parameters[i].name);
        must(value != NULL && strcmp(value, target->parameters[i].value) == 0);
    }
    http_target_clear(&again);
}

static void try_target(const char *text)
{
    struct http_target target;
    struct error err;
    if (!http_target_parse(&target, text, &err)) {
        must(err.code == ERR_INPUT || err.code == ERR_LIMIT);
        return;
    }
    must(target.path[0] == '/' && target.parameter_count <= HTTP_MAX_PARAMETERS);
    must_be_text(target.path);
    for (size_t i = 0; i < target.parameter_count; i++) {
        must_be_text(target.parameters[i].name);
        must_be_text(target.parameters[i].value);
        must(target.parameters[i].name[0] != '\0');
        must(http_target_parameter(&target, target.parameters[i].name) == target.parameters[i].value);
    }
    read_again(&target);
    http_target_clear(&target);
}

/* ---- Host and Origin: lines, each a field ---- */

static bool is_port(const char *text)
{
    uint64_t port;
    return text[0] == '\0' || (text[0] == ':' && text_parse_u64(view_of(text + 1), 65535, &port));
}

static void try_host(char *text)
{
    char *configured = strchr(text, '\n');
    if (configured != NULL)
        *configured++ = '\0';
    bool own = strncasecmp(text, "localhost", 9) == 0 && is_port(text + 9);
    own = own || (strncmp(text, LOCAL, strlen(LOCAL)) == 0 && is_port(text + strlen(LOCAL)));
    must(host_allowed(text, LOCAL, "") == own);
    if (configured != NULL) {
        must(!own || host_allowed(text, LOCAL, configured));
        (void)!host_allowed(text, "2001:db8::1", configured);
    }
    must(!origin_allowed(text, "a.example", false) || strncasecmp(text, "http://a.example", 17) == 0);
    must(!origin_allowed(text, "a.example", true) || strncasecmp(text, "https://a.example", 18) == 0);
    must(!host_allowed("a.example", LOCAL, text) || strcasestr(text, "a.example") != NULL);
}

/* ---- the cookie: nothing but what was signed is a session ---- */

static void try_cookie(const uint8_t *data, size_t size)
{
    struct clock_fake fake;
    struct session_key key = {.bytes = {1}};
    char cookie[SESSION_COOKIE_BYTES];
    char forged[SESSION_COOKIE_BYTES];
    clock_fake_init(&fake, INT64_C(1771754400) * US_PER_S, 0);
    session_make(&key, &fake.clock, cookie);
    must(session_valid(&key, &fake.clock, cookie));
    memcpy(forged, cookie, sizeof(forged));
    for (size_t i = 0; i + 1 < size; i += 2) /* place and byte */
        forged[data[i] % strlen(cookie)] = (char)data[i + 1];
    must(strcmp(forged, cookie) == 0 || !session_valid(&key, &fake.clock, forged));
    size_t kept = size < sizeof(forged) - 1 ? size : sizeof(forged) - 1;
    memcpy(forged, data, kept);
    forged[kept] = '\0';
    must(!session_valid(&key, &fake.clock, forged));
}

/* ---- addresses ---- */

static void try_address(const uint8_t *data, size_t size)
{
    struct sockaddr_storage storage = {0};
    struct http_address address;
    unsigned char bytes[sizeof(struct in6_addr)];
    memcpy(&storage, data, size < sizeof(storage) ? size : sizeof(storage));
    if (size > 0)
        storage.ss_family = data[0] % 2 == 0 ? AF_INET : AF_INET6;
    http_address_of(&address, (const struct sockaddr *)&storage);
    must(inet_pton(AF_INET, address.text, bytes) == 1 || inet_pton(AF_INET6, address.text, bytes) == 1 ||
         size == 0);
    must(strlen(address.key) > 0 && strlen(address.key) < sizeof(address.key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[INPUT_MAX_BYTES];
    if (size == 0 || size > sizeof(text))
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        try_target(text);
        break;
    case 1:
        try_host(text);
        break;
    case 2:
        try_cookie(data + 1, size - 1);
        break;
    case 3:
        must(accept_format(text) == PACK_GZIP || strcasestr(text, "application/zstd") != NULL);
        break;
    default:
        try_address(data + 1, size - 1);
    }
    return 0;
}
