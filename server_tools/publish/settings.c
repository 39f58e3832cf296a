#include "server_tools/publish/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "updater/package.h"

enum { GO_ON = -1 };

/* The options as they were typed. */
struct typed {
    const char *version, *product, *notes, *min_version, *source, *base, *output, *key, *expires, *public_key;
    struct option_list files, migrations, removals;
    bool json, quiet;
};

static const char usage[] =
    "publish --version 1.2.0 --files PATH... --migrations FILE... --notes TEXT [--key private.pem]\n"
    "        [--source DIR] [--base DIR] [--remove PATH...] [--product NAME] [--min-version V]\n"
    "        [--expires TIME] [--output DIR] [--json]\n"
    "publish inspect ZIP [--public-key FILE] [--json]";

static const char epilog[] =
    "Packs files of a release folder and migrations into OUTPUT/update_v<version>.zip and signs it. The "
    "same\n"
    "files, options, key and $SOURCE_DATE_EPOCH (seconds since 1970, the package's time) give the same "
    "bytes.\n"
    "`inspect` checks a package as a machine does and shows what is in it.\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 4 the signature does not hold,\n"
    "5 bad input file.";

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool check_version(const char *name, const char *version, struct error *err)
{
    return version == NULL || release_version_ok(version) ||
           error_set(err, ERR_USAGE, "--%s: expected a version (SemVer 2.0) such as 1.2.0, found `%s`", name,
                     version);
}

static bool check_time(const char *text, int64_t *out, struct error *err)
{
    *out = INT64_MAX;
    return text == NULL || rfc3339_parse_us(view_of(text), out) ||
           error_set(err, ERR_USAGE, "--expires: expected a time like 2027-02-22T10:00:00Z, found `%s`",
                     text);
}

/* The package's time: whole seconds. */
static bool find_time(int64_t *out, struct error *err)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    int64_t seconds = clock_utc_us(clock_system()) / US_PER_S;
    if (epoch != NULL && !text_parse_i64(view_of(epoch), 0, INT32_MAX, &seconds))
        return error_set(err, ERR_USAGE, "SOURCE_DATE_EPOCH: expected seconds since 1970, found `%s`", epoch);
    *out = seconds * US_PER_S;
    return true;
}

static bool fill_publish(const struct typed *typed, struct settings *out, struct error *err)
{
    if (typed->version == NULL)
        return error_set(err, ERR_USAGE, "--version V is missing: which version will it be?");
    if (!check_version("version", typed->version, err) ||
        !check_version("min-version", typed->min_version, err))
        return false;
    if (typed->files.count + typed->migrations.count + typed->removals.count == 0)
        return error_set(err, ERR_USAGE, "--files, --migrations or --remove: what is to change?");
    if (typed->public_key != NULL)
        return error_set(err, ERR_USAGE, "--public-key is for `publish inspect ZIP`");
    if (typed->product[0] == '\0' || strlen(typed->product) >= MANIFEST_PRODUCT_BYTES)
        return error_set(err, ERR_USAGE, "--product: expected 1 to 64 bytes");
    if (strlen(typed->notes) > MANIFEST_NOTES_MAX_BYTES || !text_is_utf8(view_of(typed->notes)))
        return error_set(err, ERR_USAGE, "--notes: expected UTF-8 of at most 64 KiB");
    return check_time(typed->expires, &out->expires_us, err) && find_time(&out->created_us, err);
}

static bool fill_inspect(const struct typed *typed, const struct option_list *words, struct settings *out,
                         struct error *err)
{
    if (strcmp(words->items[0], "inspect") != 0)
        return error_set(err, ERR_USAGE, "`%s` is neither an option nor `inspect`", words->items[0]);
    if (words->count != 2)
        return error_set(err, ERR_USAGE, "inspect: which package? It takes one");
    if (typed->version != NULL || typed->files.count > 0 || typed->migrations.count > 0)
        return error_set(err, ERR_USAGE,
                         "inspect reads a package: options of making one have no place there");
    out->inspect = words->items[1];
    return true;
}

static bool fill(const struct typed *typed, const struct option_list *words, struct settings *out,
                 struct error *err)
{
    *out = (struct settings){
        .version = typed->version,
        .product = typed->product,
        .notes = typed->notes,
        .min_version = typed->min_version,
        .source = typed->source != NULL     ? typed->source
                  : is_folder("build/dist") ? "build/dist"
                                            : ".",
        .base = typed->base,
        .output = typed->output,
        .key_file = option_or(typed->key, "TELEHAUL_KEY", "./private.pem"),
        .files = typed->files,
        .migrations = typed->migrations,
        .removals = typed->removals,
        .json = typed->json,
        .quiet = typed->quiet,
        .public_key = typed->public_key,
    };
    return words->count > 0 ? fill_inspect(typed, words, out, err) : fill_publish(typed, out, err);
}

/* ---- the table ---- */

static int parse(struct typed *typed, struct option_list *words, int argc, char **argv)
{
    const struct option options[] = {
        option_text("version", &typed->version, "V", "the version that the machine will have (SemVer 2.0)"),
        option_words(
            "files", &typed->files, "PATH",
            "files, or folders with all that is in them, of SOURCE, below bin/ and share/: bin/portal"),
        option_words("migrations", &typed->migrations, "FILE",
                     "migrations, NNNN_what.sql; what is not found here is looked for in SOURCE"),
        option_text("notes", &typed->notes, "TEXT", "what the operator is told about it"),
        option_text("key", &typed->key, "FILE",
                    "private key that signs it ($TELEHAUL_KEY, else ./private.pem)"),
        option_text("source", &typed->source, "DIR",
                    "release folder that PATHs are in (build/dist when there, else .)"),
        option_text("base", &typed->base, "DIR",
                    "release folder that it is made for: it lands on that very one alone"),
        option_words("remove", &typed->removals, "PATH", "files of the release that go away"),
        option_text("product", &typed->product, "NAME", "PRODUCT of the machines it is for (telehaul)"),
        option_text("min-version", &typed->min_version, "V", "the oldest version that it can follow"),
        option_text("expires", &typed->expires, "TIME", "after this no machine takes it"),
        option_text("output", &typed->output, "DIR", "folder of update_v<version>.zip (.)"),
        option_text("public-key", &typed->public_key, "FILE",
                    "inspect: keys of which one must have signed it"),
        option_flag("json", &typed->json, "the result as one JSON object"),
        option_flag("quiet", &typed->quiet, "only errors on standard error"),
    };
    const struct program program = {.name = "publish",
                                    .summary = "packs and signs an update",
                                    .usage = usage,
                                    .options = options,
                                    .option_count = COUNT_OF(options),
                                    .epilog = epilog};
    return options_parse(&program, argc, argv, words);
}

int settings_read(struct settings *out, int argc, char **argv)
{
    struct typed typed = {.product = "telehaul", .notes = "", .output = "."};
    struct option_list words = {0};
    int code = parse(&typed, &words, argc, argv);
    if (code != GO_ON)
        return code;
    struct error err;
    if (fill(&typed, &words, out, &err))
        return GO_ON;
    fprintf(stderr, "publish: %s\npublish --help shows every option\n", err.text);
    return error_exit_code(&err);
}
