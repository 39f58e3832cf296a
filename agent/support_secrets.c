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

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* "value" or 'value' without its quotes; else all before a blank and `#`. */
static struct view whole_value(struct view value)
{
    if (value.size > 0 && (value.data[0] == '"' || value.data[0] == '\'')) {
        struct view rest = {value.data + 1, value.size - 1};
        return text_cut(&rest, value.data[0]);
    }
    for (size_t i = 1; i < value.size; i++) {
        if (value.data[i] == '#' && is_blank(value.data[i - 1]))
            return text_trim((struct view){value.data, i});
    }
    return value;
}

static struct view first_word(struct view value)
{
    size_t size = 0;
    while (size < value.size && !is_blank(value.data[size]))
        size++;
    return (struct view){value.data, size};
}

/* As common/app/appliance.h reads it, and as another program may: a value without quotes goes up to a blank,
 * or up to the line's end. */
static bool learn_line(struct view line, struct secret_mask *mask, struct error *err)
{
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    text_cut(&line, '=');
    struct view value = whole_value(text_trim(line));
    return secret_mask_add(mask, value, err) && secret_mask_add(mask, first_word(value), err);
}

/* What looks like a secret within a value: the password of a URL. */
static bool learn_within(struct view text, struct secret_mask *mask, struct error *err)
{
    SCOPE_BUF struct buf copy = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    if (text.size == 0)
        return true;
    buf_append_view(&copy, text);
    if (!buf_check(&copy, "credentials.env", err))
        return false;
    secret_mask_begin(mask);
    secret_mask_learn(mask, copy.data, copy.size);
    explicit_bzero(copy.data, copy.size);
    return true;
}

static bool learn_credentials(const struct appliance *appliance, struct secret_mask *mask, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CREDENTIALS_MAX_BYTES);
    bool learned = read_to_learn(appliance, "credentials.env", &text, err) &&
                   learn_within(buf_view(&text), mask, err); /* first: it would not see what is known */
    struct view rest = buf_view(&text);
    while (learned && rest.size > 0)
        learned = learn_line(text_cut(&rest, '\n'), mask, err) || error_wrap(err, "credentials.env");
    if (text.data != NULL)
        explicit_bzero(text.data, text.size);
    return learned;
}

/* Where config.c ends a line's value: at the first `#` outside "...". */
static size_t comment_at(struct view line)
{
    bool quoted = false;
    size_t end = 0;
    for (; end < line.size && (quoted || line.data[end] != '#'); end++)
        quoted = line.data[end] == '"' ? !quoted : quoted;
    return end;
}

/* A comment that begins within a secret leaves its beginning, which nobody would know for one. masked: the
 * same text with its secrets hidden. */
static void hide_cut_secret(char *text, const char *masked, size_t comment)
{
    if (masked[comment] == '#')
        return;
    for (size_t at = comment; at > 0 && masked[at - 1] == '*'; at--)
        text[at - 1] = '*';
}

static void strip_comments(struct buf *text, const struct buf *masked, struct buf *out)
{
    struct view rest = buf_view(text);
    while (rest.size > 0) {
        size_t begin = text->size - rest.size;
        struct view line = text_cut(&rest, '\n');
        size_t end = comment_at(line);
        if (end < line.size)
            hide_cut_secret(text->data, masked->data, begin + end);
        buf_append_view(out, text_trim((struct view){line.data, end}));
        buf_append_byte(out, '\n');
    }
}

bool support_config_text(int root_fd, struct secret_mask *mask, struct buf *out, struct error *err)
{
    struct stat about;
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    SCOPE_BUF struct buf masked = BUF_LIMIT(CONFIG_MAX_BYTES);
    SCOPE_FD int fd = file_open_beneath(root_fd, "config.txt", &about, err);
    if (fd < 0 || !file_read_all(fd, &text, err))
        return false;
    buf_append_view(&masked, buf_view(&text));
    if (!buf_check(&masked, "config.txt", err))
        return false;
    secret_mask_begin(mask);
    secret_mask_text(mask, masked.data, masked.size);
    strip_comments(&text, &masked, out);
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
