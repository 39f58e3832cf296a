#include "server_tools/sync_client/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/http_client.h"
#include "common/store/pg.h"

enum { GO_ON = -1, DEFAULT_PORT = 9876, PORT_MAX = 65535, FLOOR_MAX_S = 3600 };

/* The options as they were typed. */
struct typed {
    const char *host, *bind, *client_id, *key, *since, *data_storage, *db, *fingerprint, *accept, *support,
        *update;
    int64_t port, floor_s;
    bool plain_auth, json, quiet;
};

static const char usage[] =
    "sync_client --host HOST [--client-id ID] [--key private.pem] [--port 9876] [--update ZIP] [--since "
    "TIME]\n"
    "            [--data-storage DIR] [--db URL|none] [--fingerprint HEX] [--accept-new-host yes|no|ask]\n"
    "sync_client --host HOST --support FILE [--key private.pem] ...\n"
    "sync_client import FILE... [--client-id ID] [--db URL]";

static const char epilog[] =
    "One session: log in with a signature, fetch what is new since the last time (readings, alarms, and how\n"
    "the channels are described) into an archive, DATA_STORAGE/CLIENT_ID/<time>.zst (.gz of an agent that\n"
    "has no zstd), and import it into the central database; then deliver the update, also when fetching "
    "failed\n"
    "(exit 1). An update waits there for the operator's approval, at the machine's page. `import` reads such "
    "archives again; importing\n"
    "one twice changes nothing.\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 could not reach the machine,\n"
    "4 authentication failed (either side's), 5 bad input file.";

static bool check_accept(const char *text, enum accept_host *out, struct error *err)
{
    static const char *const words[] = {[ACCEPT_ASK] = "ask", [ACCEPT_YES] = "yes", [ACCEPT_NO] = "no"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum accept_host)i;
            return true;
        }
    }
    return error_set(err, ERR_USAGE, "--accept-new-host: expected yes, no or ask, found `%s`", text);
}

static bool check_since(const char *text, char out[RFC3339_US_BYTES], struct error *err)
{
    int64_t utc_us;
    if (!rfc3339_parse_us(view_of(text), &utc_us))
        return error_set(err, ERR_USAGE, "--since: expected a time like 2026-02-22T10:00:00Z, found `%s`",
                         text);
    rfc3339_format_us(out, utc_us);
    return true;
}

static bool check_fingerprint(const char *text, char out[SHA256_HEX_BYTES], struct error *err)
{
    unsigned char digest[SHA256_BYTES];
    if (!text_hex_decode(view_of(text), digest, sizeof(digest)))
        return error_set(err, ERR_USAGE, "--fingerprint: expected %d hex digits, found `%s`",
                         2 * SHA256_BYTES, text);
    text_hex_encode(out, digest, sizeof(digest));
    return true;
}

static bool fill_db(const struct typed *typed, struct settings *out, struct error *err)
{
    out->db.text[0] = '\0';
    if (typed->db == NULL) {
        if (!path_join(&out->db, out->data_storage, "central.db", err))
            return false;
    } else if (strcmp(typed->db, "none") != 0 && !path_printf(&out->db, err, "%s", typed->db)) {
        return false;
    }
    pg_hide_password(out->db.text, out->db_shown, sizeof(out->db_shown));
    return true;
}

static bool fill_import(const struct typed *typed, struct settings *out, struct error *err)
{
    if (out->files.count == 0)
        return error_set(err, ERR_USAGE, "import: which files?");
    if (typed->host != NULL || typed->since != NULL || typed->fingerprint != NULL || typed->plain_auth ||
        typed->support != NULL || typed->update != NULL)
        return error_set(err, ERR_USAGE, "import reads files: options of a session have no place there");
    if (out->db.text[0] == '\0')
        return error_set(err, ERR_USAGE, "import needs a database: --db none has no place there");
    if (out->client_id != NULL && !central_client_id_ok(out->client_id))
        return error_set(err, ERR_USAGE, "--client-id: 1 to 64 of A-Z a-z 0-9 . _ -, found `%s`",
                         out->client_id);
    return true;
}

static bool fill_session(const struct typed *typed, struct settings *out, struct error *err)
{
    if (out->files.count > 0)
        return error_set(err, ERR_USAGE, "`%s` is neither an option nor `import`", out->files.items[0]);
    if (typed->host == NULL)
        return error_set(err, ERR_USAGE, "--host HOST is missing: which machine?");
    out->host = typed->host;
    out->client_id = typed->client_id != NULL ? typed->client_id : typed->host;
    if (!central_client_id_ok(out->client_id))
        return error_set(err, ERR_USAGE, "--client-id: 1 to 64 of A-Z a-z 0-9 . _ -, found `%s`%s",
                         out->client_id, typed->client_id == NULL ? " (the host): give one" : "");
    if (typed->support != NULL && (typed->since != NULL || typed->db != NULL || typed->update != NULL))
        return error_set(err, ERR_USAGE,
                         "--support does nothing else: --since, --db and --update have no place there");
    if (typed->support != NULL && typed->support[0] == '\0')
        return error_set(err, ERR_USAGE, "--support: expected the name of a file");
    if (typed->update != NULL && typed->update[0] == '\0')
        return error_set(err, ERR_USAGE, "--update: expected the name of a package");
    out->support = typed->support;
    out->update = typed->update;
    if (typed->since != NULL && !check_since(typed->since, out->since, err))
        return false;
    if (typed->fingerprint != NULL && !check_fingerprint(typed->fingerprint, out->fingerprint, err))
        return false;
    return check_accept(typed->accept, &out->accept_host, err);
}

static bool fill(const struct typed *typed, const struct option_list *words, struct settings *out,
                 struct error *err)
{
    *out = (struct settings){
        .bind = typed->bind,
        .client_id = typed->client_id,
        .key_file = option_or(typed->key, "TELEHAUL_KEY", "./private.pem"),
        .port = typed->port,
        .data_storage = typed->data_storage,
        .plain_auth = typed->plain_auth,
        .json = typed->json,
        .quiet = typed->quiet,
        .floor_s = typed->floor_s,
        .files = *words,
    };
    if (!path_join(&out->known_hosts, out->data_storage, "known_hosts", err) || !fill_db(typed, out, err))
        return false;
    out->import = words->count > 0 && strcmp(words->items[0], "import") == 0;
    if (!out->import)
        return fill_session(typed, out, err);
    out->files.items++;
    out->files.count--;
    return fill_import(typed, out, err);
}

/* ---- the table ---- */

static struct option number(const char *name, int64_t *target, int64_t max, const char *help)
{
    return (struct option){.name = name,
                           .kind = OPTION_NUMBER,
                           .target = target,
                           .value_name = "N",
                           .min = 1,
                           .max = max,
                           .help = help};
}

static int parse(struct typed *typed, struct option_list *words, int argc, char **argv)
{
    const struct option options[] = {
        option_text("host", &typed->host, "HOST", "name or address of the machine"),
        option_text("client-id", &typed->client_id, "ID",
                    "the machine's name here: folder of its archives, name in the database (the host)"),
        option_text("key", &typed->key, "FILE",
                    "private key that signs the log-in ($TELEHAUL_KEY, else ./private.pem)"),
        number("port", &typed->port, PORT_MAX, "port of the machine's agent (9876)"),
        option_text("since", &typed->since, "TIME",
                    "fetch what is strictly later than this, whatever was fetched before; the cursor stays"),
        option_text("data-storage", &typed->data_storage, "DIR",
                    "folder of archives and known hosts (data_storage)"),
        option_text(
            "db", &typed->db, "URL",
            "central database: a path is SQLite, else postgresql://USER@HOST/NAME; none: archives only "
            "(DATA_STORAGE/central.db)"),
        option_text("update", &typed->update, "ZIP",
                    "deliver this update after the export; it is checked here, and verified by the machine"),
        option_text("support", &typed->support, "FILE",
                    "fetch the machine's support bundle (tar.zst) into this new file, and nothing else"),
        option_text("fingerprint", &typed->fingerprint, "HEX",
                    "the agent's fingerprint as its owner tells it; also replaces a known one"),
        option_text("accept-new-host", &typed->accept, "yes|no|ask",
                    "trust an agent at first sight? (ask, which is no without a terminal)"),
        option_flag("plain-auth", &typed->plain_auth,
                    "sign the time of day in place of a challenge, for agents that know no other form"),
        number("floor-seconds", &typed->floor_s, FLOOR_MAX_S, "give up below 64 bytes/s for so long (20)"),
        option_text("bind", &typed->bind, "ADDRESS", "connect from this address of this computer"),
        option_flag("json", &typed->json, "the result as one JSON object"),
        option_flag("quiet", &typed->quiet, "only errors on standard error"),
    };
    const struct program program = {.name = "sync_client",
                                    .summary = "brings one machine's telemetry home",
                                    .usage = usage,
                                    .options = options,
                                    .option_count = COUNT_OF(options),
                                    .epilog = epilog};
    return options_parse(&program, argc, argv, words);
}

int settings_read(struct settings *out, int argc, char **argv)
{
    struct typed typed = {.data_storage = "data_storage",
                          .accept = "ask",
                          .port = DEFAULT_PORT,
                          .floor_s = HTTP_CLIENT_FLOOR_S};
    struct option_list words = {0};
    int code = parse(&typed, &words, argc, argv);
    if (code != GO_ON)
        return code;
    struct error err;
    if (fill(&typed, &words, out, &err))
        return GO_ON;
    fprintf(stderr, "sync_client: %s\nsync_client --help shows every option\n", err.text);
    return error_exit_code(&err);
}
