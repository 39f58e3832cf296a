/* keytool: makes keys, names them, and says who is trusted. */
#include <stdio.h>
#include <string.h>

#include "common/app/options.h"
#include "common/crypto/rsa.h"
#include "keys/commands.h"

enum { DEFAULT_BITS = 3072, GO_ON = -1 };

/* Which options belong to which commands. */
enum option_set { TAKES_NONE, TAKES_PAIR, TAKES_LICENCE, TAKES_KEY };

static const struct command {
    const char *name, *second; /* second: NULL when the command is one word */
    size_t arguments;
    enum option_set takes;
    bool (*run)(const struct keytool *tool, struct error *err);
} commands[] = {
    {"generate", NULL, 0, TAKES_PAIR, keytool_generate},
    {"fingerprint", NULL, 1, TAKES_NONE, keytool_fingerprint},
    {"trust", "add", 2, TAKES_NONE, keytool_trust_add},
    {"trust", "remove", 2, TAKES_NONE, keytool_trust_remove},
    {"trust", "list", 1, TAKES_NONE, keytool_trust_list},
    {"license", "issue", 0, TAKES_LICENCE, keytool_license_issue},
    {"license", "show", 1, TAKES_KEY, keytool_license_show},
    {"license", "machine-id", 0, TAKES_NONE, keytool_license_machine_id},
};

static const char usage[] = "keytool generate --private FILE --public FILE [--bits 3072]\n"
                            "keytool fingerprint FILE\n"
                            "keytool trust add KEYFILE PUBLIC.pem\n"
                            "keytool trust remove KEYFILE FINGERPRINT\n"
                            "keytool trust list KEYFILE\n"
                            "keytool license issue --key PRIVATE.pem --customer NAME --output FILE\n"
                            "        [--product telehaul] [--machine ID|any] [--expires TIME]\n"
                            "keytool license show FILE [--key PUBLIC.pem]\n"
                            "keytool license machine-id";

static const char epilog[] =
    "A key file holds one to four public keys; a signature of any of them counts. FINGERPRINT is the "
    "SHA-256\n"
    "that `fingerprint` prints, or its first 8 digits or more. The last key of a file is not removed.\n"
    "A licence is for `any` machine, or for the one whose `license machine-id` prints ID; without --expires "
    "it\n"
    "never ends. On the machine it is ROOT/license.dat.\n"
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

static bool takes_pair(const struct keytool *tool, bool bits_given)
{
    return tool->private_file != NULL || tool->public_file != NULL || bits_given;
}

static bool takes_licence(const struct keytool *tool)
{
    return tool->product != NULL || tool->customer != NULL || tool->machine != NULL ||
           tool->expires != NULL || tool->output != NULL;
}

static bool run(struct keytool *tool, const struct option_list *words, bool bits_given, struct error *err)
{
    size_t used;
    const struct command *command = find_command(words, &used);
    if (command == NULL)
        return error_set(err, ERR_USAGE, "no such command; `keytool --help` lists them with their words");
    if (takes_pair(tool, bits_given) && command->takes != TAKES_PAIR)
        return error_set(err, ERR_USAGE, "--private, --public and --bits belong to `keytool generate`");
    if (takes_licence(tool) && command->takes != TAKES_LICENCE)
        return error_set(
            err, ERR_USAGE,
            "--product, --customer, --machine, --expires and --output belong to `keytool license issue`");
    if (tool->key_file != NULL && command->takes != TAKES_LICENCE && command->takes != TAKES_KEY)
        return error_set(err, ERR_USAGE, "--key belongs to `keytool license issue` and `license show`");
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
        {.name = "key",
         .kind = OPTION_TEXT,
         .target = &tool.key_file,
         .value_name = "FILE",
         .help = "license issue: the private key that signs; license show: the public keys that may have"},
        {.name = "product",
         .kind = OPTION_TEXT,
         .target = &tool.product,
         .value_name = "NAME",
         .help = "what may run (telehaul)"},
        {.name = "customer",
         .kind = OPTION_TEXT,
         .target = &tool.customer,
         .value_name = "NAME",
         .help = "who may run it"},
        {.name = "machine",
         .kind = OPTION_TEXT,
         .target = &tool.machine,
         .value_name = "ID",
         .help = "on which machine (any)"},
        {.name = "expires",
         .kind = OPTION_TEXT,
         .target = &tool.expires,
         .value_name = "TIME",
         .help = "until when, as RFC 3339 has it: 2027-12-31T00:00:00Z (never ends)"},
        {.name = "output",
         .kind = OPTION_TEXT,
         .target = &tool.output,
         .value_name = "FILE",
         .help = "where the licence is written"},
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
