#include "common/store/pg.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/text.h"

enum { SQLSTATE_BYTES = 5, CANCEL_TEXT_BYTES = 256, URL_TEXT_BYTES = 256, MS_PER_S = 1000 };

enum copying { COPY_NONE, COPY_IN, COPY_OUT };

struct pg {
    PGconn *conn;
    PGcancel *cancel;
    enum copying copying;
    char *row;              /* of a copy out, PQfreemem; NULL: none */
    _Atomic bool cancelled; /* by pg_cancel, not noticed yet */
    int break_fd;           /* the same socket, which libpq may close and the system give away; -1: none */
};

/* ---- errors ---- */

/* An sqlstate or the beginning of one (https://www.postgresql.org/docs/15/errcodes-appendix.html) -> ours.
 * The first that fits counts. */
static const struct {
    const char *begin;
    enum error_code code;
} meanings[] = {
    {"08P01", ERR_IO}, /* a message that does not fit, not a link that broke */
    {"08", ERR_UNREACHABLE},    {"57P01", ERR_UNREACHABLE}, {"57P02", ERR_UNREACHABLE},
    {"57P03", ERR_UNREACHABLE}, {"57P05", ERR_UNREACHABLE}, {"28", ERR_DENIED},
    {"42501", ERR_DENIED},      {"53100", ERR_SPACE},       {"53200", ERR_MEMORY},
    {"53300", ERR_BUSY},        {"55P03", ERR_BUSY},        {"57014", ERR_BUSY},
    {"40", ERR_BUSY},           {"23505", ERR_CHANGED},     {"22", ERR_INPUT},
};

static enum error_code code_of(const char *sqlstate)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (view_starts(view_of(sqlstate), meanings[i].begin))
            return meanings[i].code;
    }
    return ERR_IO;
}

/* One line of libpq's, which may have several and blanks at the end. */
static void one_line(char *out, size_t out_bytes, const char *text)
{
    size_t size = 0;
    for (; *text != '\0' && size + 1 < out_bytes; text++)
        out[size++] = *text == '\n' || *text == '\t' ? ' ' : *text;
    while (size > 0 && out[size - 1] == ' ')
        size--;
    out[size] = '\0';
}

static bool broken(const struct pg *pg)
{
    return PQstatus(pg->conn) != CONNECTION_OK;
}

/* What the connection says when no result says it better. */
static bool fail_of_connection(struct pg *pg, struct error *err)
{
    char text[ERROR_TEXT_BYTES];
    one_line(text, sizeof(text), PQerrorMessage(pg->conn));
    if (broken(pg))
        return error_set(err, ERR_UNREACHABLE, "the connection to PostgreSQL broke: %s", text);
    return error_set(err, ERR_IO, "PostgreSQL: %s", text);
}

static bool fail_of_result(struct pg *pg, const PGresult *result, struct error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    if (sqlstate == NULL || message == NULL)
        return fail_of_connection(pg, err);
    enum error_code code = broken(pg) ? ERR_UNREACHABLE : code_of(sqlstate);
    if (strcmp(sqlstate, "57014") == 0 && atomic_exchange(&pg->cancelled, false))
        code = ERR_CANCELLED;
    if (detail == NULL)
        return error_set(err, code, "PostgreSQL: %s (%s)", message, sqlstate);
    return error_set(err, code, "PostgreSQL: %s (%s): %s", message, sqlstate, detail);
}

/* ---- results ---- */

static void scope_result(PGresult **result)
{
    PQclear(*result);
}
#define SCOPE_RESULT SCOPE(scope_result)

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* ---- open and close ---- */

/* The place of `:  28P01: ` in libpq's verbose text; NULL: none. Severities may be in any language. */
static const char *find_sqlstate(const char *text)
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *at = text; (at = strstr(at, ":  ")) != NULL; at++) {
        const char *sqlstate = at + strlen(":  ");
        if (strspn(sqlstate, allowed) == SQLSTATE_BYTES &&
            view_starts(view_of(sqlstate + SQLSTATE_BYTES), ": "))
            return sqlstate;
    }
    return NULL;
}

/* Why there is no connection. Only the text tells it. */
static bool fail_to_connect(const PGconn *conn, struct error *err)
{
    char text[ERROR_TEXT_BYTES];
    const char *message = PQerrorMessage(conn);
    const char *sqlstate = find_sqlstate(message);
    if (sqlstate == NULL) {
        one_line(text, sizeof(text), message);
        return error_set(err, PQconnectionNeedsPassword(conn) ? ERR_DENIED : ERR_UNREACHABLE, "%s", text);
    }
    one_line(text, sizeof(text), sqlstate + SQLSTATE_BYTES + strlen(": "));
    char *location = strstr(text, " LOCATION:");
    if (location != NULL)
        *location = '\0';
    return error_set(err, code_of(sqlstate), "PostgreSQL: %s (%.*s)", text, SQLSTATE_BYTES, sqlstate);
}

/* False: nothing until then. */
static bool wait_for_socket(const PGconn *conn, short events, int64_t end_us, struct error *err)
{
    int ready = -1;
    while (ready < 0) {
        struct pollfd wait = {.fd = PQsocket(conn), .events = events};
        int64_t left_us = end_us - clock_monotonic_us(clock_system());
        ready = left_us <= 0 ? 0 : poll(&wait, 1, (int)(left_us / US_PER_MS) + 1);
    }
    return ready > 0 || error_set(err, ERR_UNREACHABLE, "no answer within %d s", PG_CONNECT_TIMEOUT_S);
}

static bool wait_for_connection(PGconn *conn, int64_t end_us, struct error *err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        if (!wait_for_socket(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, end_us, err))
            return false;
        status = PQconnectPoll(conn);
        if (status == PGRES_POLLING_FAILED)
            return fail_to_connect(conn, err);
    }
    return true;
}

/* What stands before dbname the URL may change, what stands behind it not. */
static PGconn *start(const char *url, const char *application)
{
    const char *const names[] = {
        "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",          "dbname",          "client_encoding",     NULL};
    const char *const values[] = {application, "30", "10", "3", "60000", url, "UTF8", NULL};
    return PQconnectStartParams(names, values, 1);
}

/* One `@` at most, behind the password, and no `/` before it: else a piece of the password would be taken for
 * a host, a port or a database, and be shown as such. */
static bool is_escaped(const char *url)
{
    struct view rest = view_of(url + strlen("postgres"));
    struct view before_options = text_cut(&rest, '?');
    const char *end = before_options.data + before_options.size;
    const char *begin = strstr(before_options.data, "://");
    const char *at = memchr(before_options.data, '@', before_options.size);
    if (begin == NULL || at == NULL)
        return true;
    begin += strlen("://");
    return memchr(begin, '/', (size_t)(at - begin)) == NULL &&
           memchr(at + 1, '@', (size_t)(end - at - 1)) == NULL;
}

/* libpq's own text may hold the piece of the URL that it cannot read, a password among others. */
static bool check_url(const char *url, struct error *err)
{
    PQconninfoOption *options = view_starts(view_of(url), "postgres") ? PQconninfoParse(url, NULL) : NULL;
    bool good = options != NULL && is_escaped(url);
    PQconninfoFree(options);
    return good || error_set(err, ERR_USAGE,
                             "no PostgreSQL URL: expected postgresql://user:password@host:port/database,"
                             " with other characters than letters and digits as %%XX");
}

static void be_quiet(void *context, const char *notice)
{
    (void)context;
    (void)notice;
}

/* The next result, NULL after the last; false: none within the time, or never. */
static bool wait_for_result(struct pg *pg, int64_t end_us, PGresult **result, struct error *err)
{
    while (PQisBusy(pg->conn)) {
        if (!wait_for_socket(pg->conn, POLLIN, end_us, err))
            return false;
        if (PQconsumeInput(pg->conn) != 1)
            return fail_of_connection(pg, err);
    }
    *result = PQgetResult(pg->conn);
    return true;
}

/* As pg_exec, but no longer than that: a server may fall silent behind the log-in. */
static bool exec_until(struct pg *pg, const char *sql, int64_t end_us, struct error *err)
{
    if (PQsendQuery(pg->conn, sql) != 1)
        return fail_of_connection(pg, err);
    for (;;) {
        SCOPE_RESULT PGresult *result = NULL;
        if (!wait_for_result(pg, end_us, &result, err))
            return false;
        if (result == NULL)
            return true;
        if (!is_good(result))
            return fail_of_result(pg, result, err);
    }
}

static bool connect_with(struct pg *pg, const char *url, const char *application, struct error *err)
{
    int64_t end_us = clock_monotonic_us(clock_system()) + (int64_t)PG_CONNECT_TIMEOUT_S * US_PER_S;
    if (!check_url(url, err))
        return false;
    pg->conn = start(url, application);
    if (pg->conn == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a connection");
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE); /* the only way to an sqlstate while connecting */
    PQsetNoticeProcessor(pg->conn, be_quiet, NULL);
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return fail_to_connect(pg->conn, err);
    if (!wait_for_connection(pg->conn, end_us, err))
        return false;
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    pg->cancel = PQgetCancel(pg->conn);
    pg->break_fd = fcntl(PQsocket(pg->conn), F_DUPFD_CLOEXEC, 0);
    if (pg->break_fd < 0)
        return error_set_errno(err, "a second descriptor of the connection");
    return exec_until(pg, "SET TIME ZONE 'UTC'", end_us, err);
}

struct pg *pg_open(const char *url, const char *application, struct error *err)
{
    struct pg *pg = calloc(1, sizeof(*pg));
    if (pg == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a connection");
        return NULL;
    }
    pg->break_fd = -1;
    if (connect_with(pg, url, application, err))
        return pg;
    char shown[URL_TEXT_BYTES];
    pg_hide_password(url, shown, sizeof(shown));
    error_wrap(err, "%s", shown);
    pg_close(pg);
    return NULL;
}

void pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    PQfreemem(pg->row);
    PQfreeCancel(pg->cancel);
    PQfinish(pg->conn);
    if (pg->break_fd >= 0)
        close(pg->break_fd);
    free(pg);
}

void pg_cancel(struct pg *pg)
{
    char text[CANCEL_TEXT_BYTES];
    atomic_store(&pg->cancelled, true);
    PQcancel(pg->cancel, text, sizeof(text)); /* one that fails finds a connection that fails too */
}

/* After shutdown alone, a server whose sending waits for our window never hears of it, and keeps its
 * transaction: AF_UNSPEC resets a TCP connection (connect(2)). On a Unix socket shutdown is enough. */
void pg_break(struct pg *pg)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    shutdown(pg->break_fd, SHUT_RDWR);
    (void)connect(pg->break_fd, &none, sizeof(none));
}

/* ---- statements ---- */

/* The results that libpq still has; a connection that goes on needs them read. */
static void drain(struct pg *pg)
{
    PGresult *result;
    while ((result = PQgetResult(pg->conn)) != NULL) {
        bool copying = PQresultStatus(result) == PGRES_COPY_IN || PQresultStatus(result) == PGRES_COPY_OUT;
        PQclear(result);
        if (copying)
            return;
    }
}

bool pg_exec(struct pg *pg, const char *sql, struct error *err)
{
    SCOPE_RESULT PGresult *result = PQexec(pg->conn, sql);
    return is_good(result) || fail_of_result(pg, result, err);
}

/* A struct pg_result is libpq's own under another name. */
static const PGresult *raw(const struct pg_result *result)
{
    return (const PGresult *)(const void *)result;
}

struct pg_result *pg_query(struct pg *pg, const char *sql, const char *const *params, size_t count,
                           bool binary, struct error *err)
{
    PGresult *result = PQexecParams(pg->conn, sql, (int)count, NULL, params, NULL, NULL, binary);
    if (is_good(result))
        return (struct pg_result *)(void *)result;
    fail_of_result(pg, result, err);
    PQclear(result);
    return NULL;
}

void pg_result_free(struct pg_result *result)
{
    PQclear((PGresult *)(void *)result);
}

size_t pg_rows(const struct pg_result *result)
{
    return (size_t)PQntuples(raw(result));
}

/* "": the statement touches no rows. */
static int64_t changes_of(const PGresult *result)
{
    int64_t changes = 0;
    const char *text = PQcmdTuples((PGresult *)(void *)(uintptr_t)result); /* only reads it */
    return text_parse_i64(view_of(text), 0, INT64_MAX, &changes) ? changes : 0;
}

int64_t pg_changes(const struct pg_result *result)
{
    return changes_of(raw(result));
}

bool pg_is_null(const struct pg_result *result, size_t row, size_t column)
{
    return PQgetisnull(raw(result), (int)row, (int)column) != 0;
}

struct view pg_value(const struct pg_result *result, size_t row, size_t column)
{
    return (struct view){PQgetvalue(raw(result), (int)row, (int)column),
                         (size_t)PQgetlength(raw(result), (int)row, (int)column)};
}

bool pg_i64(const struct pg_result *result, size_t row, size_t column, int64_t *out, struct error *err)
{
    if (row < pg_rows(result) && column < (size_t)PQnfields(raw(result)) &&
        text_parse_i64(pg_value(result, row, column), INT64_MIN, INT64_MAX, out))
        return true;
    return error_set(err, ERR_INTERNAL, "PostgreSQL gave no whole number where one must be");
}

/* ---- transactions ---- */

bool pg_begin(struct pg *pg, struct error *err)
{
    return pg_exec(pg, "BEGIN", err);
}

/* COMMIT of a transaction that failed before is no error to PostgreSQL: it says ROLLBACK. */
bool pg_commit(struct pg *pg, struct error *err)
{
    SCOPE_RESULT PGresult *result = PQexec(pg->conn, "COMMIT");
    if (is_good(result) && strcmp(PQcmdStatus(result), "COMMIT") == 0)
        return true;
    if (is_good(result))
        return error_set(err, ERR_IO, "PostgreSQL: the transaction had failed and was rolled back");
    fail_of_result(pg, result, err);
    pg_rollback(pg);
    return false;
}

void pg_rollback(struct pg *pg)
{
    pg_copy_cancel(pg);
    if (!broken(pg) && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        PQclear(PQexec(pg->conn, "ROLLBACK"));
}

/* ---- COPY ---- */

static bool begin_copy(struct pg *pg, const char *sql, enum copying direction, struct error *err)
{
    SCOPE_RESULT PGresult *result = PQexec(pg->conn, sql);
    ExecStatusType want = direction == COPY_IN ? PGRES_COPY_IN : PGRES_COPY_OUT;
    if (PQresultStatus(result) == want) {
        pg->copying = direction;
        return true;
    }
    if (!is_good(result))
        return fail_of_result(pg, result, err);
    return error_set(err, ERR_INTERNAL, "not such a COPY: %s", sql);
}

/* The copy's own result, and the rest. rows may be NULL. */
static bool end_copy(struct pg *pg, int64_t *rows, struct error *err)
{
    pg->copying = COPY_NONE;
    SCOPE_RESULT PGresult *result = PQgetResult(pg->conn);
    bool good = result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!good)
        fail_of_result(pg, result, err);
    else if (rows != NULL)
        *rows = changes_of(result);
    drain(pg);
    return good;
}

bool pg_copy_begin(struct pg *pg, const char *sql, struct error *err)
{
    return begin_copy(pg, sql, COPY_IN, err);
}

bool pg_copy_put(struct pg *pg, struct view bytes, struct error *err)
{
    while (bytes.size > 0) {
        size_t piece = bytes.size < PG_COPY_BUFFER_BYTES ? bytes.size : PG_COPY_BUFFER_BYTES;
        if (PQputCopyData(pg->conn, bytes.data, (int)piece) != 1) {
            fail_of_connection(pg, err);
            pg_copy_cancel(pg);
            return false;
        }
        bytes.data += piece;
        bytes.size -= piece;
    }
    return true;
}

bool pg_copy_end(struct pg *pg, int64_t *rows, struct error *err)
{
    if (PQputCopyEnd(pg->conn, NULL) == 1)
        return end_copy(pg, rows, err);
    pg->copying = COPY_NONE;
    fail_of_connection(pg, err);
    drain(pg);
    return false;
}

void pg_copy_cancel(struct pg *pg)
{
    char text[CANCEL_TEXT_BYTES];
    char *row;
    if (pg->copying == COPY_IN)
        PQputCopyEnd(pg->conn, "given up");
    if (pg->copying == COPY_OUT) {
        PQcancel(pg->cancel, text, sizeof(text));
        while (PQgetCopyData(pg->conn, &row, 0) > 0)
            PQfreemem(row);
    }
    if (pg->copying != COPY_NONE)
        drain(pg);
    pg->copying = COPY_NONE;
}

bool pg_copy_begin_out(struct pg *pg, const char *sql, struct error *err)
{
    return begin_copy(pg, sql, COPY_OUT, err);
}

bool pg_copy_get(struct pg *pg, struct view *row, struct error *err)
{
    PQfreemem(pg->row);
    pg->row = NULL;
    int size = PQgetCopyData(pg->conn, &pg->row, 0);
    if (size > 0) {
        *row = (struct view){pg->row, (size_t)size};
        return true;
    }
    *row = (struct view){NULL, 0};
    return end_copy(pg, NULL, err);
}
