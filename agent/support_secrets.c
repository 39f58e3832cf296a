#include "agent/support_secrets.h"

#include "common/base/text.h"
#include "common/os/beneath.h"
#include "common/os/file.h"

enum { CREDENTIALS_MAX_BYTES = 64 * 1024 };

/* For learning alone, so links are followed as the programs themselves do. True also when it is not there. */
static bool read_to_learn(const struct appliance *appliance, const char *name, struct buf *out,
                          struct error *err)
{
    struct path path;
    struct error why;
    if (!appliance_path(appliance, name, &path, err))
        return false;
    return file_read_path(path.text, out, &why) || why.code == ERR_NOT_FOUND ||
           error_set(err, why.code, "%s (what is secret in it must be known to be hidden)", why.text);
}

/* `value # comment`, "value" or 'value' (common/app/appliance.h reads them so; a value of another program's
 * may be anything). */
static struct view credential_of(struct view line)
{
    struct view value = line;
    text_cut(&value, '=');
    value = text_trim(value);
    if (value.size > 0 && value.data[value.size - 1] == '\r')
        value.size--;
    if (value.size > 0 && (value.data[0] == '"' || value.data[0] == '\'')) {
        struct view rest = {value.data + 1, value.size - 1};
        return text_cut(&rest, value.data[0]);
    }
    return text_cut(&value, ' ');
}

static bool learn_credentials(const struct appliance *appliance, struct secret_mask *mask, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    bool learned = read_to_learn(appliance, "credentials.env", &text, err);
    struct view rest = buf_view(&text);
    while (learned && rest.size > 0)
        learned = secret_mask_add(mask, credential_of(text_cut(&rest, '\n')), err) ||
                  error_wrap(err, "credentials.env");
    if (text.data != NULL)
        explicit_bzero(text.data, text.size);
    return learned;
}

/* As config.c ends a line's value: at the first `#` outside "...". */
static struct view without_comment(struct view line)
{
    bool quoted = false;
    size_t end = 0;
    for (; end < line.size && (quoted || line.data[end] != '#'); end++)
        quoted = line.data[end] == '"' ? !quoted : quoted;
    return text_trim((struct view){line.data, end});
}

static void strip_comments(struct view text, struct buf *out)
{
    while (text.size > 0) {
        buf_append_view(out, without_comment(text_cut(&text, '\n')));
        buf_append_byte(out, '\n');
    }
}

bool support_config_text(int root_fd, struct buf *out, struct error *err)
{
    struct stat about;
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    SCOPE_FD int fd = file_open_beneath(root_fd, "config.txt", &about, err);
    if (fd < 0 || !file_read_all(fd, &text, err))
        return false;
    strip_comments(buf_view(&text), out);
    return buf_check(out, "config.txt", err);
}

bool support_learn_secrets(const struct appliance *appliance, struct secret_mask *mask, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    if (!learn_credentials(appliance, mask, err) || !read_to_learn(appliance, "config.txt", &text, err))
        return false;
    secret_mask_begin(mask);
    secret_mask_learn(mask, text.data, text.size);
    return true;
}
