#include "server_tools/sync_service/secret_options.h"

#include <unistd.h>

#include "common/base/text.h"
#include "common/os/file.h"

#define FROM(field) offsetof(struct command_line, field)
static const struct {
    const char *name;
    size_t file, value; /* into struct command_line */
} options[SECRET_OPTIONS] = {
    {"api-key", FROM(api_key_file), FROM(api_key)},
    {"secret", FROM(secret_file), FROM(secret)},
};

static const char **field(struct command_line *line, size_t offset)
{
    return (const char **)((char *)line + offset);
}

static bool take_line(const struct buf *text, char out[SECRET_OPTION_BYTES], struct error *err)
{
    struct view rest = buf_view(text);
    struct view line = text_cut(&rest, '\n');
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    line = text_trim(line);
    return (line.size > 0 && rest.size == 0 && text_copy(out, SECRET_OPTION_BYTES, line)) ||
           error_set(err, ERR_USAGE, "expected one line with the secret and nothing else");
}

static bool read_file(const char *path, char out[SECRET_OPTION_BYTES], struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(SECRET_OPTION_BYTES);
    bool is_stdin = strcmp(path, "-") == 0;
    bool read = is_stdin ? file_read_all(STDIN_FILENO, &text, err) : file_read_private(path, &text, err);
    return read && take_line(&text, out, err);
}

bool secret_options_read(struct command_line *line, struct secret_texts *texts, struct error *err)
{
    for (size_t i = 0; i < SECRET_OPTIONS; i++) {
        const char *path = *field(line, options[i].file);
        const char **value = field(line, options[i].value);
        if (path == NULL)
            continue;
        if (*value != NULL)
            return error_set(err, ERR_USAGE, "expected --%s or --%s-file, not both", options[i].name,
                             options[i].name);
        if (!read_file(path, texts->text[i], err))
            return error_wrap(err, "--%s-file", options[i].name);
        *value = texts->text[i];
    }
    return true;
}
