#include "tests/fault/durable.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/fault/torture.h"

enum { CONTENT_MAX_BYTES = 1024 * 1024 };

/* What an error must be called when a call of this kind failed; others: anything that blames nobody else. */
static const struct {
    const char *kind;
    enum error_code code;
} expected_codes[] = {
    {"memory", ERR_MEMORY},  {"write", ERR_SPACE}, {"mkdir", ERR_SPACE},
    {"truncate", ERR_SPACE}, {"link", ERR_SPACE},
};

/* Codes that say that somebody's data or request is wrong: a call that failed is no reason for any of them.
 */
static const enum error_code lies[] = {ERR_NONE,      ERR_USAGE,    ERR_INPUT,   ERR_LIMIT,   ERR_NOT_FOUND,
                                       ERR_EXISTS,    ERR_BUSY,     ERR_CHANGED, ERR_CORRUPT, ERR_PROTOCOL,
                                       ERR_CANCELLED, ERR_INTERNAL, ERR_TIMEOUT};

static int broken(const char *what, const struct error *err)
{
    printf("BROKEN: %s%s%s\n", what, err->text[0] == '\0' ? "" : ": ", err->text);
    return 1;
}

/* Where a library does not say that it lacked memory, or takes a disk that cannot be read for a damaged file.
 */
static const struct {
    const char *kind;
    const char *text;
} forgiven[] = {
    {"memory", "The pubkey tag or value is invalid"}, /* mbedTLS */
    {"memory", "vtable constructor failed"},          /* SQLite */
    {"read", "database disk image is malformed"},     /* SQLite: EIO of a read is damage to it */
};

static bool is_lie(const struct error *err, const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(expected_codes); i++) {
        if (strcmp(kind, expected_codes[i].kind) == 0 && err->code != expected_codes[i].code)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        if (err->code == lies[i])
            return true;
    }
    return false;
}

static bool says_why(const struct error *err)
{
    const char *kind = torture_kind == NULL ? "" : torture_kind();
    for (size_t i = 0; i < COUNT_OF(forgiven); i++) {
        if (strcmp(kind, forgiven[i].kind) == 0 && strstr(err->text, forgiven[i].text) != NULL)
            return true;
    }
    return err->text[0] != '\0' && !is_lie(err, kind);
}

static unsigned open_descriptors(void)
{
    SCOPE_DIR DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    return count;
}

static int run(const struct durable_case *chosen)
{
    struct error err = {.code = ERR_NONE};
    if (chosen->prepare != NULL && !chosen->prepare(&err))
        return broken("it was not prepared", &err);
    if (!chosen->is_old() || chosen->is_new())
        return broken("it does not begin with the old content", &err);
    unsigned before = open_descriptors();
    if (torture_begin != NULL)
        torture_begin();
    bool done = chosen->act(&err);
    if (torture_end != NULL)
        torture_end();
    if (open_descriptors() != before)
        return broken("a descriptor was left open", &err);
    if (done && !chosen->is_new())
        return broken("it said that it was done, and it was not", &err);
    if (!done && !says_why(&err))
        return broken("it does not say what failed", &err);
    if (!done && torture_failed != NULL && torture_failed() == 0)
        return broken("it failed, and nothing was made to fail", &err);
    bool is_new = chosen->is_new();
    if (!is_new && !chosen->is_old())
        return broken("neither the old nor the new content is whole", &err);
    printf("%s: %s%s%s\n", chosen->name, is_new ? "new" : "old", done ? "" : ", ", done ? "" : err.text);
    struct error cause = {.code = ERR_NONE};
    if (!done && !(chosen->again != NULL ? chosen->again : chosen->act)(&cause))
        return broken("a second time does not repair it", &cause);
    return chosen->is_new() ? 0 : broken("it is not repaired by a second time", &cause);
}

int durable_main(int count, char **words, const struct durable_case *cases, size_t cases_count)
{
    for (size_t i = 0; i < cases_count; i++) {
        if (count == 1)
            printf("%s\n", cases[i].name);
        else if (count == 3 && strcmp(words[1], cases[i].name) == 0)
            return chdir(words[2]) == 0 ? run(&cases[i]) : 2;
    }
    return count == 1 ? 0 : 2;
}

bool durable_write(const char *path, const char *content)
{
    SCOPE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd >= 0 && file_write_all(fd, content, strlen(content), NULL);
}

bool durable_has(const char *path, const char *content)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONTENT_MAX_BYTES);
    return file_read_path(path, &text, NULL) && view_is(buf_view(&text), content);
}

bool durable_none(const char *folder, const char *part)
{
    SCOPE_DIR DIR *opened = opendir(folder);
    for (const struct dirent *entry; opened != NULL && (entry = readdir(opened)) != NULL;) {
        if (strstr(entry->d_name, part) != NULL)
            return false;
    }
    return opened != NULL;
}
