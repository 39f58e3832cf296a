#include "common/net/web_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/scope.h"
#include "common/base/view.h"

static void scope_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void scope_part(char **part)
{
    curl_free(*part);
}
#define SCOPE_PART SCOPE(scope_part)

static bool is_one_of(const char *scheme, const char *schemes)
{
    size_t size = strlen(scheme);
    for (const char *at = schemes; at != NULL; at = strchr(at, '|') == NULL ? NULL : strchr(at, '|') + 1) {
        if (strcspn(at, "|") == size && strncmp(at, scheme, size) == 0)
            return true;
    }
    return false;
}

static bool printable(const char *url)
{
    for (; *url != '\0'; url++) {
        if (*url <= ' ' || *url > '~')
            return false;
    }
    return true;
}

bool web_url_check(const char *url, const char *schemes, struct error *err)
{
    SCOPE(scope_url) CURLU *parsed = curl_url();
    SCOPE_PART char *scheme = NULL;
    SCOPE_PART char *host = NULL;
    SCOPE_PART char *user = NULL;
    SCOPE_PART char *password = NULL;
    if (parsed == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for an address");
    if (strlen(url) > WEB_URL_MAX_BYTES || !printable(url) ||
        curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == '\0')
        return error_set(err, ERR_USAGE, "expected an address that begins with %s://", schemes);
    if (!is_one_of(scheme, schemes))
        return error_set(err, ERR_USAGE, "expected an address of %s, not of %.20s", schemes, scheme);
    if (curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
        return error_set(err, ERR_USAGE, "expected an address without a user and a password");
    return true;
}

void web_url_host(const char *url, char *out, size_t out_bytes)
{
    SCOPE(scope_url) CURLU *parsed = curl_url();
    SCOPE_PART char *host = NULL;
    out[0] = '\0';
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && strlen(host) < out_bytes)
        snprintf(out, out_bytes, "%s", host);
}

bool web_host_is_loopback(const char *host)
{
    bool number = host[strspn(host, "0123456789.")] == '\0'; /* 127.example.org is a name */
    return strcmp(host, "localhost") == 0 || (number && strncmp(host, "127.", 4) == 0) ||
           strcmp(host, "[::1]") == 0;
}

bool web_url_check_secret(const char *url, struct error *err)
{
    enum { HOST_BYTES = 256 };
    char host[HOST_BYTES];
    if (!web_url_check(url, "https|http", err))
        return false;
    web_url_host(url, host, sizeof(host));
    return web_url_check(url, "https", NULL) || web_host_is_loopback(host) ||
           error_set(err, ERR_USAGE, "expected https: a secret goes there (http only to this very machine)");
}
