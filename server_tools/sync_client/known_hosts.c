#include "server_tools/sync_client/known_hosts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/os/file.h"

enum { KNOWN_HOSTS_MODE = 0644 };

bool known_hosts_name(char out[HOST_PORT_BYTES], const char *host, int64_t port, struct error *err)
{
    bool ipv6 = strchr(host, ':') != NULL;
    char name[HOST_PORT_BYTES];
    int size = snprintf(name, sizeof(name), ipv6 ? "[%s]:%" PRId64 : "%s:%" PRId64, host, port);
    if (size < 0 || (size_t)size >= sizeof(name) || host[strcspn(host, " \t\r\n#")] != '\0')
        return error_set(err, ERR_USAGE, "`%.80s` is no host name and no address", host);
    for (int i = 0; i <= size; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    return true;
}

struct entry {
    struct view line; /* whole, without its line feed */
    struct view name; /* empty: a blank or # line */
    struct view agent_id;
};

static bool next_entry(struct view *rest, struct entry *entry, struct error *err)
{
    *entry = (struct entry){.line = text_cut(rest, '\n')};
    struct view words = text_trim(entry->line);
    if (words.size == 0 || words.data[0] == '#')
        return true;
    entry->name = text_cut(&words, ' ');
    entry->agent_id = text_trim(words);
    unsigned char digest[SHA256_BYTES];
    return text_hex_decode(entry->agent_id, digest, sizeof(digest)) ||
           error_set(err, ERR_CORRUPT, "expected `host:port fingerprint`, found `%.*s`",
                     (int)(entry->line.size < 80 ? entry->line.size : 80), entry->line.data);
}

static bool read_file(const char *path, struct buf *text, struct error *err)
{
    return !file_exists(path) || file_read_path(path, text, err);
}

bool known_hosts_find(const char *path, const char *name, char agent_id[SHA256_HEX_BYTES], struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(KNOWN_HOSTS_MAX_BYTES);
    if (!read_file(path, &text, err))
        return false;
    struct view rest = buf_view(&text);
    char found[SHA256_HEX_BYTES] = "";
    for (unsigned line = 1; rest.size > 0; line++) {
        struct entry entry;
        if (!next_entry(&rest, &entry, err))
            return error_wrap(err, "%s:%u", path, line);
        if (entry.name.size > 0 && view_is(entry.name, name) &&
            !text_copy(found, sizeof(found), entry.agent_id))
            return error_set(err, ERR_CORRUPT, "%s:%u: expected a fingerprint", path, line);
    }
    memcpy(agent_id, found, sizeof(found));
    return true;
}

/* Everything but the lines of that name. */
static bool copy_others(struct view text, const char *name, struct buf *out, struct error *err)
{
    while (text.size > 0) {
        struct entry entry;
        if (!next_entry(&text, &entry, err))
            return false;
        if (entry.name.size > 0 && view_is(entry.name, name))
            continue;
        buf_append_view(out, entry.line);
        buf_append_byte(out, '\n');
    }
    return buf_check(out, "the known hosts", err);
}

bool known_hosts_put(const char *path, const char *name, const char *agent_id, struct error *err)
{
    SCOPE_FD int lock = folder_lock_of(path, err);
    if (lock < 0)
        return false;
    SCOPE_BUF struct buf text = BUF_LIMIT(KNOWN_HOSTS_MAX_BYTES);
    SCOPE_BUF struct buf changed = BUF_LIMIT(KNOWN_HOSTS_MAX_BYTES);
    if (!read_file(path, &text, err))
        return false;
    if (!copy_others(buf_view(&text), name, &changed, err))
        return error_wrap(err, "%s", path);
    buf_printf(&changed, "%s %s\n", name, agent_id);
    return buf_check(&changed, "the known hosts", err) &&
           file_replace(path, buf_view(&changed), KNOWN_HOSTS_MODE, err);
}
