/* updater: makes a machine's folder and changes the version in it. */
#include <stdio.h>
#include <stdlib.h>

#include "common/app/options.h"
#include "common/net/json_writer.h"
#include "updater/init.h"
#include "updater/status.h"

enum { OUTPUT_MAX_BYTES = 64 * 1024 };

struct arguments {
    const char *root;
    const char *from;
    const char *version;
    const char *public_key;
    bool json;
};

struct command {
    const char *name;
    bool (*run)(const struct arguments *arguments, struct buf *out, struct error *err);
};

static bool run_init(const struct arguments *arguments, struct buf *out, struct error *err)
{
    if (arguments->from == NULL || arguments->version == NULL)
        return error_set(err, ERR_USAGE, "init needs --from DIR and --version V");
    struct init_request request = {arguments->root, arguments->from, arguments->version,
                                   arguments->public_key};
    struct init_result made;
    if (!init_root(&request, &made, err))
        return false;
    SCOPE_FREE char *absolute = realpath(arguments->root, NULL);
    const char *root = absolute != NULL ? absolute : arguments->root;
    if (!arguments->json) {
        buf_printf(out, "root      %s\nversion   %s\nPIN       %s   (of the operator's page)\nAPI key   %s\n",
                   root, request.version, made.pin, made.api_key);
        return true;
    }
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "root", root);
    json_string(&writer, "version", request.version);
    json_string(&writer, "pin", made.pin);
    json_string(&writer, "api_key", made.api_key);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
    return true;
}

static bool run_status(const struct arguments *arguments, struct buf *out, struct error *err)
{
    SCOPE_FREE char *absolute = realpath(arguments->root, NULL);
    return status_print(absolute != NULL ? absolute : arguments->root, arguments->json, out, err);
}

static const struct command commands[] = {
    {"init", run_init},
    {"status", run_status},
};

static const struct command *find_command(const struct option_list *words)
{
    for (size_t i = 0; words->count == 1 && i < COUNT_OF(commands); i++) {
        if (strcmp(words->items[0], commands[i].name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int run(const struct command *command, const struct arguments *arguments)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    if (!command->run(arguments, &out, &err) || !buf_check(&out, "the output", &err)) {
        fprintf(stderr, "updater: %s\n", err.text);
        return error_exit_code(&err);
    }
    fwrite(out.data, 1, out.size, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.json = false};
    const struct option options[] = {
        {.name = "root",
         .kind = OPTION_TEXT,
         .target = &arguments.root,
         .value_name = "DIR",
         .help = "the machine's folder",
         .required = true},
        {.name = "from",
         .kind = OPTION_TEXT,
         .target = &arguments.from,
         .value_name = "DIR",
         .help = "init: the release folder to install, e.g. build/dist"},
        {.name = "version",
         .kind = OPTION_TEXT,
         .target = &arguments.version,
         .value_name = "V",
         .help = "init: the version of that release, e.g. 1.0.0"},
        {.name = "public-key",
         .kind = OPTION_TEXT,
         .target = &arguments.public_key,
         .value_name = "FILE",
         .help = "init: who may sign updates (PEM, one to four)"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .target = &arguments.json,
         .help = "the result as one JSON object"},
    };
    const struct program program = {
        .name = "updater",
        .summary = "makes a machine's folder and changes the version in it",
        .usage = "updater --root DIR init --from DIR --version V [--public-key FILE] [--json]\n"
                 "updater --root DIR status [--json]",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct option_list words = {.count = 0};
    int code = options_parse(&program, argc, argv, &words);
    if (code >= 0)
        return code;
    const struct command *command = find_command(&words);
    if (command == NULL) {
        fprintf(stderr, "updater: expected one command, init or status (`updater --help` says more)\n");
        return 2;
    }
    return run(command, &arguments);
}
