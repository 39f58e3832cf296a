#include "common/net/web_post.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/net/address_range.h"
#include "common/net/http_curl.h"
#include "common/net/web_url.h"

enum { HOST_BYTES = 256 };

struct web_poster {
    struct web_poster_config config;
    CURL *curl; /* NULL: no connection is kept */
    char message[CURL_ERROR_SIZE];
    bool refused_address; /* the name meant an address that is not public */
};

struct web_poster *web_poster_new(const struct web_poster_config *config, struct error *err)
{
    struct web_poster *poster = calloc(1, sizeof(*poster));
    if (poster == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an HTTP client");
        return NULL;
    }
    poster->config = *config;
    if (poster->config.total_ms <= 0)
        poster->config.total_ms = WEB_POST_TOTAL_MS;
    return poster;
}

void web_poster_rest(struct web_poster *poster)
{
    curl_easy_cleanup(poster->curl);
    poster->curl = NULL;
}

void web_poster_free(struct web_poster *poster)
{
    if (poster == NULL)
        return;
    web_poster_rest(poster);
    free(poster);
}

/* Called with the very address that is connected to. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct web_poster *poster = context;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (!poster->config.allow_private && !address_is_public(&address->addr)) {
        poster->refused_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t keep(char *data, size_t unit, size_t count, void *context)
{
    (void)unit; /* always 1 */
    struct buf *answer = context;
    if (answer != NULL && answer->size < answer->limit_bytes) {
        size_t room = answer->limit_bytes - answer->size;
        buf_append(answer, data, count < room ? count : room);
    }
    return count;
}

static bool set_up(struct web_poster *poster, struct error *err)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a connection");
    http_curl_set_fixed(curl, poster->message);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, poster->config.allow_private ? "http,https" : "https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (poster->config.ca_file[0] != '\0') {
        curl_easy_setopt(curl, CURLOPT_CAINFO, poster->config.ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, poster);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)WEB_POST_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)poster->config.total_ms);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L); /* a GnuTLS libcurl holds 4 MB of authorities for each */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    poster->curl = curl;
    return true;
}

static bool explain(const struct web_poster *poster, CURLcode code, const char *url, struct error *err)
{
    char host[HOST_BYTES];
    web_url_host(url, host, sizeof(host));
    const char *why = poster->message[0] != '\0' ? poster->message : curl_easy_strerror(code);
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return error_set(err, ERR_MEMORY, "no memory left for a request");
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERR_TIMEOUT, "%s was too slow: %s", host, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return error_set(err, ERR_DENIED, "%s: its certificate does not hold: %s", host, why);
    case CURLE_COULDNT_CONNECT:
        if (poster->refused_address)
            return error_set(err, ERR_DENIED, "%s is not a public address (WEBHOOK_ALLOW_PRIVATE = no)",
                             host);
        return error_set(err, ERR_UNREACHABLE, "could not reach %s: %s", host, why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return error_set(err, ERR_UNREACHABLE, "could not reach %s: %s", host, why);
    default:
        return error_set(err, ERR_PROTOCOL, "%s does not answer as it should: %s", host, why);
    }
}

static bool list_headers(const char *const *headers, struct curl_slist **list, struct error *err)
{
    return http_curl_headers(headers, list, err) && http_curl_add_header(list, "Expect:", err);
}

bool web_post_send(struct web_poster *poster, struct web_post *post, struct error *err)
{
    struct curl_slist *headers = NULL;
    bool ready = web_url_check(post->url, poster->config.allow_private ? "https|http" : "https", err) &&
                 list_headers(post->headers, &headers, err) && (poster->curl != NULL || set_up(poster, err));
    if (!ready) {
        curl_slist_free_all(headers);
        return false;
    }
    CURL *curl = poster->curl;
    curl_easy_setopt(curl, CURLOPT_URL, post->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    http_curl_set_body(curl, "POST", post->body, false);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, post->answer);
    poster->message[0] = '\0';
    poster->refused_address = false;
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    post->status = (unsigned)status;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return code == CURLE_OK || explain(poster, code, post->url, err);
}
