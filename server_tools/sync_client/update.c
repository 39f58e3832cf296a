#include "server_tools/sync_client/update.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "server_tools/sync_client/retry.h"
#include "updater/package.h"

enum { HEADER_BYTES = UPDATE_SIGNATURE_BYTES + 64 };

/* ---- the file ---- */

static bool take_heads(const struct package *package, struct update_file *out, struct error *err)
{
    snprintf(out->version, sizeof(out->version), "%s", package_manifest(package)->version);
    return text_copy(out->signature, sizeof(out->signature), text_trim(package_signature(package))) ||
           error_set(err, ERR_INPUT, "its signature is longer than any");
}

static bool look_into(struct update_file *out, struct error *err)
{
    SCOPE_PACKAGE struct package *package = package_open(out->fd, NULL, err);
    return package != NULL && take_heads(package, out, err) && package_read(package, NULL, err);
}

static bool open_file(struct update_file *out, struct error *err)
{
    struct stat about;
    out->fd = file_open(out->path, O_RDONLY | O_NONBLOCK, err);
    if (out->fd < 0)
        return false;
    if (fstat(out->fd, &about) != 0)
        return error_set_errno(err, "%s", out->path);
    out->bytes = (uint64_t)about.st_size;
    return true;
}

bool update_open(const char *path, struct update_file *out, struct error *err)
{
    *out = (struct update_file){.path = path, .fd = -1};
    if (!open_file(out, err))
        return false;
    if (look_into(out, err))
        return true;
    text_make_printable(err->text);
    error_wrap(err, "%s is no good update (`publish inspect` says more)", path);
    return false;
}

void update_close(struct update_file *update)
{
    if (update->fd >= 0)
        close(update->fd);
    update->fd = -1;
}

/* ---- what a refusal means, and what to do ---- */

struct meaning {
    const char *word;
    const char *text;
};

static const struct meaning statuses[] = {
    {"same_version", "the machine runs this version already: there is nothing to do"},
    {"older_version",
     "the machine runs or has been given a newer version, and versions only go up: publish it under a "
     "higher one (on the machine `updater rollback` goes back)"},
    {"busy", "the machine is receiving, applying or proving another update: try again in some minutes"},
    {"stopping", "the machine's agent is just being restarted: try again"},
    {"invalid_sig",
     "the machine does not trust its signature: sign it with the private key that belongs to a key in "
     "UPDATE_PUBLIC_KEY_FILE there"},
    {"too_large",
     "it is larger than MAX_UPDATE_BYTES in the machine's config.txt: publish less, or allow more there"},
    {"no_space",
     "the machine's disk has no room for it: make some there (RETENTION_DAYS, backups), then try again"},
    {"internal", "something on the machine failed: its agent's log says what"},
};

static const struct meaning reasons[] = {
    {"wrong_product", "it is for another product than this machine's"},
    {"min_version", "the machine's version is too old for it: deliver one in between first"},
    {"expired", "it is past its --expires: publish it again"},
    {"wrong_base", "it was published with --base for another release than the one that runs there"},
    {"bad_migration",
     "its migrations do not fit the machine's database: they only add, each under a number of its own"},
};

static const char *meaning_of(const struct meaning *table, size_t rows, const char *word)
{
    for (size_t i = 0; i < rows; i++) {
        if (strcmp(table[i].word, word) == 0)
            return table[i].text;
    }
    return "publish it again and see what `publish inspect` says of it";
}

static bool refused(const struct session *session, const struct report_update *report, struct error *err)
{
    bool of_package = strcmp(report->status, "bad_package") == 0;
    const char *word = of_package ? report->reason : report->status;
    const char *text = of_package ? meaning_of(reasons, COUNT_OF(reasons), word)
                                  : meaning_of(statuses, COUNT_OF(statuses), word);
    return error_set(err, ERR_EXISTS, "%s:%d refused the update to %s (%s): %s%s%s%s",
                     session->settings->host, (int)session->settings->port, report->version, word, text,
                     report->detail[0] != '\0' ? ". It says: `" : "", report->detail,
                     report->detail[0] != '\0' ? "`" : "");
}

/* ---- sending ---- */

/* One attempt. */
struct sending {
    struct session *session;
    const struct update_file *update;
    struct report_update *report;
    int64_t began_us; /* of this attempt, monotonic */
    int failures;     /* in a row */
};

static void show_progress(void *context, uint64_t bytes)
{
    const struct sending *sending = context;
    struct report_update *report = sending->report;
    if (report->sent_us == 0 && bytes >= sending->update->bytes)
        report->sent_us = clock_monotonic_us(sending->session->clock) - sending->began_us;
    notices_advance(sending->session->notices, 0, (int64_t)bytes);
}

/* A machine of a version that has no such call. */
static bool knows_no_updates(unsigned status)
{
    return status == 404 || status == 405 || status == 501;
}

static bool read_answer(struct sending *sending, const struct http_exchange *exchange, struct error *err)
{
    struct session *session = sending->session;
    struct report_update *report = sending->report;
    session_answer_text(exchange, "status", report->status, sizeof(report->status));
    session_answer_text(exchange, "reason", report->reason, sizeof(report->reason));
    session_answer_text(exchange, "detail", report->detail, sizeof(report->detail));
    if (exchange->status == 200 && strcmp(report->status, "queued") == 0) {
        report->outcome = REPORT_UPDATE_QUEUED;
        return true;
    }
    report->outcome = REPORT_UPDATE_REFUSED;
    if (knows_no_updates(exchange->status))
        return error_set(
            err, ERR_EXISTS,
            "%s:%d takes no updates over the network: its version is older than this. Bring the zip there "
            "and see docs/admin.md",
            session->settings->host, (int)session->settings->port);
    if (exchange->status == 401)
        return session_refused(session, exchange, ERR_DENIED, err);
    if (exchange->status == 200 || report->status[0] == '\0')
        return session_refused(session, exchange, ERR_PROTOCOL, err);
    return refused(session, report, err);
}

static bool send_once(struct sending *sending, struct error *err)
{
    struct session *session = sending->session;
    const struct update_file *update = sending->update;
    char version[HEADER_BYTES];
    char signature[HEADER_BYTES];
    const char *const headers[] = {version, signature, "Content-Type: application/zip", NULL};
    const struct http_upload upload = {.fd = update->fd,
                                       .bytes = update->bytes,
                                       .answer_s = UPDATE_ANSWER_S,
                                       .sent = show_progress,
                                       .context = sending};
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    struct http_exchange exchange = {
        .method = "POST", .target = "/update", .headers = headers, .upload = &upload, .answer_body = &body};
    snprintf(version, sizeof(version), "X-Update-Version: %s", update->version);
    snprintf(signature, sizeof(signature), "X-Manifest-Signature: %s", update->signature);
    notices_begin_bytes(session->notices, "sending", (int64_t)update->bytes);
    sending->began_us = clock_monotonic_us(session->clock);
    sending->report->sent_us = 0;
    bool came = session_exchange(session, &exchange, err);
    sending->report->us = clock_monotonic_us(session->clock) - sending->began_us;
    notices_end(session->notices);
    return came && read_answer(sending, &exchange, err);
}

/* Also `busy` right after our own upload broke off: the machine has not noticed yet that it did. */
static bool is_worth_another(const struct sending *sending, const struct error *err)
{
    return retry_is_break(err) || (sending->failures > 0 && strcmp(sending->report->status, "busy") == 0);
}

bool update_deliver(struct session *session, const struct update_file *update, struct report_update *report,
                    struct error *err)
{
    struct sending sending = {.session = session, .update = update, .report = report};
    *report = (struct report_update){
        .file = update->path, .bytes = (int64_t)update->bytes, .outcome = REPORT_UPDATE_FAILED};
    snprintf(report->version, sizeof(report->version), "%s", update->version);
    while (!send_once(&sending, err)) {
        if (!is_worth_another(&sending, err) || !retry_wait(session->notices, &sending.failures, err))
            return false;
        report->outcome = REPORT_UPDATE_FAILED;
        report->status[0] = '\0';
    }
    return true;
}
