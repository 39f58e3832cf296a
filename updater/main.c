/* updater: makes a machine's folder and changes the version in it. */
#include <stdio.h>
#include <stdlib.h>

#include "common/app/options.h"
#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "updater/init.h"
#include "updater/plan.h"
#include "updater/report.h"
#include "updater/status.h"

enum { OUTPUT_MAX_BYTES = 64 * 1024 * 1024 /* a plan of 20,000 files */ };

struct arguments {
    const char *root;
    const char *from;
    const char *version;
    const char *public_key;
    const char *reason;
    const char *text;
    const char *zip; /* the word behind the command */
    bool json;
};

struct command {
    const char *name;
    size_t words; /* itself and what it needs */
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

static bool run_verify(const struct arguments *arguments, struct buf *out, struct error *err)
{
    return verify_print(arguments->root, arguments->zip, arguments->json, out, err);
}

static bool run_plan(const struct arguments *arguments, struct buf *out, struct error *err)
{
    return plan_print(arguments->root, arguments->zip, arguments->json, out, err);
}

static bool run_apply(const struct arguments *arguments, struct buf *out, struct error *err)
{
    struct apply_result result;
    if (!apply_run(arguments->root, clock_system(), &result, err))
        return false;
    report_apply(&result, arguments->json, out);
    return true;
}

static bool run_recover(const struct arguments *arguments, struct buf *out, struct error *err)
{
    struct recovery result;
    if (!recover_run(arguments->root, clock_system(), &result, err))
        return false;
    report_recovery(&result, arguments->json, out);
    return true;
}

static bool run_commit(const struct arguments *arguments, struct buf *out, struct error *err)
{
    struct recovery result;
    if (!recover_commit(arguments->root, clock_system(), &result, err))
        return false;
    report_recovery(&result, arguments->json, out);
    return true;
}

static bool run_undo(const struct arguments *arguments, struct buf *out, struct error *err)
{
    struct recovery result;
    if (arguments->reason == NULL)
        return error_set(err, ERR_USAGE, "undo needs --reason WORD");
    const char *text = arguments->text == NULL ? "" : arguments->text;
    if (!recover_undo(arguments->root, arguments->reason, text, clock_system(), &result, err))
        return false;
    report_recovery(&result, arguments->json, out);
    return true;
}

static bool run_rollback(const struct arguments *arguments, struct buf *out, struct error *err)
{
    struct recovery result;
    if (!recover_rollback(arguments->root, clock_system(), &result, err))
        return false;
    report_recovery(&result, arguments->json, out);
    return true;
}

static bool run_history(const struct arguments *arguments, struct buf *out, struct error *err)
{
    return report_history(arguments->root, arguments->json, out, err);
}

static const struct command commands[] = {
    {"init", 1, run_init},       {"status", 1, run_status}, {"verify", 2, run_verify},
    {"plan", 2, run_plan},       {"apply", 1, run_apply},   {"recover", 1, run_recover},
    {"commit", 1, run_commit},   {"undo", 1, run_undo},     {"rollback", 1, run_rollback},
    {"history", 1, run_history},
};

static const struct command *find_command(const struct option_list *words)
{
    for (size_t i = 0; words->count > 0 && i < COUNT_OF(commands); i++) {
        if (strcmp(words->items[0], commands[i].name) == 0 && words->count == commands[i].words)
            return &commands[i];
    }
    return NULL;
}

static int run(const struct command *command, const struct arguments *arguments)
{
    struct error err = {.code = ERR_NONE};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    bool done = command->run(arguments, &out, &err) && buf_check(&out, "the output", &err);
    if (out.size > 0)
        fwrite(out.data, 1, out.size, stdout);
    if (fflush(stdout) != 0)
        return 1;
    if (done)
        return 0;
    text_make_printable(err.text);
    if (err.reason == NULL)
        fprintf(stderr, "updater: %s\n", err.text);
    else
        fprintf(stderr, "updater: %s (%s)\n", err.text, err.reason);
    return error_exit_code(&err);
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
        {.name = "reason",
         .kind = OPTION_TEXT,
         .target = &arguments.reason,
         .value_name = "WORD",
         .help = "undo: why, as a stable word"},
        {.name = "text",
         .kind = OPTION_TEXT,
         .target = &arguments.text,
         .value_name = "TEXT",
         .help = "undo: why, for people"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .target = &arguments.json,
         .help = "the result as one JSON object"},
    };
    const struct program program = {
        .name = "updater",
        .summary = "makes a machine's folder and changes the version in it",
        .usage = "updater --root DIR init --from DIR --version V [--public-key FILE] [--json]\n"
                 "updater --root DIR status | history [--json]\n"
                 "updater --root DIR verify ZIP | plan ZIP [--json]\n"
                 "updater --root DIR apply | recover | rollback | commit [--json]\n"
                 "updater --root DIR undo --reason WORD [--text TEXT] [--json]",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct option_list words = {.count = 0};
    int code = options_parse(&program, argc, argv, &words);
    if (code >= 0)
        return code;
    const struct command *command = find_command(&words);
    if (command == NULL) {
        fprintf(stderr, "updater: expected one command such as status (`updater --help` says more)\n");
        return 2;
    }
    arguments.zip = command->words == 2 ? words.items[1] : NULL;
    return run(command, &arguments);
}
