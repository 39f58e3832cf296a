#include "server_tools/sync_client/support.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "common/pack/packer.h"
#include "common/pack/tar_check.h"
#include "server_tools/sync_client/archive.h"
#include "server_tools/sync_client/retry.h"
#include "server_tools/sync_client/session.h"

enum { UNPACK_BYTES = 64 * 1024, RESULT_MAX_BYTES = 32 * 1024, PART_MODE = 0600 };

static const char last_file[] = "/MANIFEST.txt"; /* docs/support.md */

/* One attempt while it comes in. */
struct incoming {
    struct session *session;
    int fd; /* of FILE.part; borrowed */
    struct unpacker *unpacker;
    struct tar_check tar;
    int64_t bytes, unpacked_bytes;
    struct error *err;
    char unpacked[UNPACK_BYTES];
};

/* ---- what comes in ---------------------------------------------------------------------------------------
 */

static bool look_into(struct incoming *incoming, struct view piece)
{
    size_t size = 0;
    do {
        if (!unpacker_read(incoming->unpacker, &piece, incoming->unpacked, sizeof(incoming->unpacked), &size,
                           incoming->err) ||
            !tar_check_take(&incoming->tar, (struct view){incoming->unpacked, size}, incoming->err))
            return false;
        incoming->unpacked_bytes += (int64_t)size;
    } while ((piece.size > 0 || size == sizeof(incoming->unpacked)) &&
             incoming->unpacked_bytes <= SUPPORT_FILE_MAX_BYTES);
    return true;
}

static bool take_piece(void *context, struct view piece)
{
    struct incoming *incoming = context;
    incoming->bytes += (int64_t)piece.size;
    if (!file_write_all(incoming->fd, piece.data, piece.size, incoming->err) || !look_into(incoming, piece))
        return false;
    notices_advance(incoming->session->notices, 0, incoming->bytes);
    if (incoming->bytes <= SUPPORT_FILE_MAX_BYTES && incoming->unpacked_bytes <= SUPPORT_FILE_MAX_BYTES)
        return true;
    return error_set(incoming->err, ERR_PROTOCOL, "the support bundle is larger than any should be");
}

static bool take_headers(void *context, struct http_client *client)
{
    struct incoming *incoming = context;
    const char *type = http_client_header(client, "Content-Type");
    return (type != NULL && strcmp(type, "application/zstd") == 0) ||
           error_set(incoming->err, ERR_PROTOCOL, "the support bundle is not application/zstd");
}

static bool check_whole(const struct incoming *incoming, struct error *err)
{
    const char *name = strchr(incoming->tar.last_name, '/');
    if (!unpacker_at_end(incoming->unpacker))
        return error_set(err, ERR_UNREACHABLE, "the support bundle was cut off");
    return tar_check_finish(&incoming->tar, err) &&
           ((name != NULL && strcmp(name, last_file) == 0) ||
            error_set(err, ERR_PROTOCOL, "the support bundle has no %s at its end", last_file + 1));
}

static bool refused(const struct session *session, const struct http_exchange *exchange, struct error *err)
{
    if (exchange->status == 404)
        return error_set(err, ERR_PROTOCOL,
                         "%s:%d has no support bundles: its version is older than this one's",
                         session->settings->host, (int)session->settings->port);
    return session_refused(session, exchange, exchange->status == 401 ? ERR_DENIED : ERR_PROTOCOL, err);
}

static bool receive(struct incoming *incoming, struct error *err)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    struct http_exchange exchange = {.method = "GET",
                                     .target = "/support",
                                     .sink = take_piece,
                                     .headers_done = take_headers,
                                     .context = incoming,
                                     .answer_body = &body};
    struct notices *notices = incoming->session->notices;
    notices_begin(notices, "receiving", NOTICES_BYTES_ONLY);
    bool came = session_exchange(incoming->session, &exchange, err);
    notices_end(notices);
    if (!came)
        return false;
    return exchange.status == 200 ? check_whole(incoming, err) : refused(incoming->session, &exchange, err);
}

static bool attempt(struct incoming *incoming, struct error *err)
{
    if (ftruncate(incoming->fd, 0) < 0 || lseek(incoming->fd, 0, SEEK_SET) < 0)
        return error_set_errno(err, "the file in the making");
    incoming->unpacker = unpacker_new(err);
    if (incoming->unpacker == NULL)
        return false;
    bool came = receive(incoming, err);
    unpacker_free(incoming->unpacker);
    if (!came && err->code == ERR_INPUT)
        err->code = ERR_PROTOCOL; /* no file of the user's is wrong: what the machine sent is */
    return came;
}

/* It is made anew each time: nothing of an attempt that broke off is worth keeping. */
static bool receive_stubbornly(struct incoming *incoming, struct error *err)
{
    struct session *session = incoming->session;
    int fd = incoming->fd;
    int failures = 0;
    for (;;) {
        *incoming = (struct incoming){.session = session, .fd = fd, .err = err};
        if (attempt(incoming, err))
            return true;
        if (!retry_is_break(err) || !retry_wait(session->notices, &failures, err))
            return false;
    }
}

/* ---- the result ------------------------------------------------------------------------------------------
 */

static void write_json(const struct incoming *incoming, int64_t us, struct buf *out)
{
    const struct settings *settings = incoming->session->settings;
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "client_id", settings->client_id);
    json_string(&writer, "agent_id", incoming->session->agent_id);
    json_string(&writer, "file", settings->support);
    json_i64(&writer, "bytes", incoming->bytes);
    json_i64(&writer, "files", incoming->tar.files);
    json_i64(&writer, "unpacked_bytes", incoming->tar.bytes);
    json_double(&writer, "seconds", (double)us / US_PER_S);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

static void write_text(const struct incoming *incoming, struct buf *out)
{
    const struct settings *settings = incoming->session->settings;
    char packed[TEXT_SIZE_BYTES];
    char unpacked[TEXT_SIZE_BYTES];
    buf_printf(out, "%s: its support bundle came home\n", settings->client_id);
    buf_printf(out, "  file       %s\n", settings->support);
    buf_printf(out, "  size       %s; %" PRId64 " files, %s unpacked (zstd -dc FILE | tar -x)\n",
               text_bytes_for_people(packed, (uint64_t)incoming->bytes), incoming->tar.files,
               text_bytes_for_people(unpacked, (uint64_t)incoming->tar.bytes));
}

static bool print(const struct incoming *incoming, int64_t us, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (incoming->session->settings->json)
        write_json(incoming, us, &out);
    else
        write_text(incoming, &out);
    if (!buf_check(&out, "the result", err))
        return false;
    return (fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0) ||
           error_set_errno(err, "standard output");
}

/* ---- the file --------------------------------------------------------------------------------------------
 */

/* Nothing that is there is replaced: it may be the only bundle of a fault that is gone by now. */
static bool check_free(const char *path, struct error *err)
{
    struct stat about;
    return lstat(path, &about) != 0 ||
           error_set(err, ERR_EXISTS, "%s is there already: remove it, or choose another name", path);
}

static bool fetch_into(struct session *session, const struct path *part, struct error *err)
{
    int64_t began_us = clock_monotonic_us(session->clock);
    SCOPE_FD int fd = file_create(part->text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PART_MODE, err);
    if (fd < 0)
        return false;
    struct incoming incoming = {.session = session, .fd = fd};
    return receive_stubbornly(&incoming, err) &&
           file_publish_new(fd, part->text, session->settings->support, err) &&
           print(&incoming, clock_monotonic_us(session->clock) - began_us, err);
}

bool support_fetch(const struct settings *settings, struct notices *notices, struct error *err)
{
    struct path part;
    struct session session;
    if (!check_free(settings->support, err) || !path_printf(&part, err, "%s.part", settings->support) ||
        !folder_make_all(settings->data_storage, ARCHIVE_FOLDER_MODE, err) || !file_remove(part.text, err))
        return false;
    bool done =
        session_open(&session, settings, notices, clock_system(), err) && fetch_into(&session, &part, err);
    session_close(&session);
    if (!done)
        unlink(part.text); /* it has its name already when only the result could not be printed */
    return done;
}
