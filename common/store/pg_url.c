#include "common/base/text.h"
#include "common/store/pg.h"

/* Copies to out[*size] what fits with a final NUL. */
static void add(char *out, size_t out_bytes, size_t *size, struct view text)
{
    size_t room = out_bytes - 1 - *size;
    size_t taken = text.size < room ? text.size : room;
    memcpy(out + *size, text.data, taken);
    *size += taken;
    out[*size] = '\0';
}

/* A name with an escape in it may be any name. */
static bool names_secret(struct view name)
{
    return view_is(name, "password") || view_is(name, "sslpassword") ||
           (name.size > 0 && memchr(name.data, '%', name.size) != NULL);
}

/* Everything between the first colon behind the scheme and the last `@`: a password that was not escaped as
 * it should be is hidden too. */
void pg_hide_password(const char *url, char *out, size_t out_bytes)
{
    size_t size = 0;
    struct view rest = view_of(url);
    const char *scheme = strstr(url, "://");
    const char *colon = scheme == NULL ? NULL : strchr(scheme + strlen("://"), ':');
    const char *at = strrchr(url, '@');
    out[0] = '\0';
    if (colon != NULL && at != NULL && colon < at) {
        add(out, out_bytes, &size, (struct view){url, (size_t)(colon + 1 - url)});
        add(out, out_bytes, &size, VIEW_LITERAL("***"));
        rest = view_of(at);
    }
    const char *query = rest.size == 0 ? NULL : memchr(rest.data, '?', rest.size);
    if (query == NULL) {
        add(out, out_bytes, &size, rest);
        return;
    }
    add(out, out_bytes, &size, (struct view){rest.data, (size_t)(query + 1 - rest.data)});
    struct view options = view_of(query + 1);
    while (options.size > 0) {
        struct view option = text_cut(&options, '&');
        struct view value = option;
        struct view name = text_cut(&value, '=');
        bool secret = value.size > 0 && names_secret(name);
        add(out, out_bytes, &size, secret ? name : option);
        if (secret)
            add(out, out_bytes, &size, VIEW_LITERAL("=***"));
        if (options.size > 0)
            add(out, out_bytes, &size, VIEW_LITERAL("&"));
    }
}
