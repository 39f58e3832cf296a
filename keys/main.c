/* keytool: makes keys, names them, and says who is trusted. */
#include <stdio.h>
#include <string.h>

#include "common/app/options.h"
#include "common/crypto/rsa.h"
#include "keys/commands.h"

enum { DEFAULT_BITS = 3072, GO_ON = -1 };

static const struct command {
    const char *name, *second; /* second: NULL when the command is one word */
    size_t arguments;
    bool generates; /* takes --private, --public and --bits */
    bool (*run)(const struct keytool *tool, struct error *err);
} commands[] = {
    {"generate", NULL, 0, true, keytool_generate},   {"fingerprint", NULL, 1, false, keytool_fingerprint},
    {"trust", "add", 2, false, keytool_trust_add},   {"trust", "remove", 2, false, keytool_trust_remove},
    {"trust", "list", 1, false, keytool_trust_list},
};

static const char usage[] = "keytool generate --private FILE --public FILE [--bits 3072]\n"
                            "keytool fingerprint FILE\n"
                            "keytool trust add KEYFILE PUBLIC.pem\n"
                            "keytool trust remove KEYFILE FINGERPRINT\n"
                            "keytool trust list KEYFILE";

static const char epilog[] =
    "A key file holds one to four public keys; a signature of any of them counts. FINGERPRINT is the "
    "SHA-256\n"
    "that `fingerprint` prints, or its first 8 digits or more. The last key of a file is not removed.\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 4 not permitted, 5 not a key.";

static const struct command *find_command(const struct option_list *words, size_t *used)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        *used = command->second == NULL ? 1 : 2;
        if (words->count == *used + command->arguments && strcmp(words->items[0], command->name) == 0 &&
            (command->second == NULL || strcmp(words->items[1], command->second) == 0))
            return command;
    }
    return NULL;
}

static bool run(struct keytool *tool, const struct option_list *words, bool bits_given, struct error *err)
{
    size_t used;
    const struct command *command = find_command(words, &used);
    if (command == NULL)
        return error_set(err, ERR_USAGE, "no such command; `keytool --help` lists them with their words");
    bool generating = tool->private_file != NULL || tool->public_file != NULL || bits_given;
    if (generating && !command->generates)
        return error_set(err, ERR_USAGE, "--private, --public and --bits belong to `keytool generate`");
    tool->words = words->items + used;
    return command->run(tool, err);
}

int main(int argc, char **argv)
{
    struct keytool tool = {0};
    const struct option options[] = {
        {.name = "private",
         .kind = OPTION_TEXT,
         .target = &tool.private_file,
         .value_name = "FILE",
         .help = "where the private key is written, readable by its owner alone"},
        {.name = "public",
         .kind = OPTION_TEXT,
         .target = &tool.public_file,
         .value_name = "FILE",
         .help = "where the public key is written"},
        {.name = "bits",
         .kind = OPTION_NUMBER,
         .target = &tool.bits,
         .value_name = "N",
         .help = "size of the RSA key, a multiple of 8 (3072)",
         .min = RSA_MIN_BITS,
         .max = RSA_MAX_BITS},
        {.name = "json", .kind = OPTION_FLAG, .target = &tool.json, .help = "the result as one JSON object"},
    };
    const struct program program = {.name = "keytool",
                                    .summary = "makes RSA keys, names them, and says who is trusted",
                                    .usage = usage,
                                    .options = options,
                                    .option_count = COUNT_OF(options),
                                    .epilog = epilog};
    struct option_list words = {0};
    int code = options_parse(&program, argc, argv, &words);
    if (code != GO_ON)
        return code;

    bool bits_given = tool.bits != 0;
    if (!bits_given)
        tool.bits = DEFAULT_BITS;
    struct error err;
    if (run(&tool, &words, bits_given, &err))
        return 0;
    fprintf(stderr, "keytool: %s\n", err.text);
    return error_exit_code(&err);
}
