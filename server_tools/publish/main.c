/* publish: packs and signs an update, and shows what is in one. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "server_tools/publish/contents.h"
#include "server_tools/publish/inspect.h"
#include "server_tools/publish/pack.h"

enum { GO_ON = -1, OUTPUT_MAX_BYTES = 64 * 1024 * 1024 /* 20,000 long paths as JSON */ };

static void print_packed(const struct packed *packed, const struct contents *contents, bool as_json,
                         struct buf *out)
{
    const struct manifest *manifest = &contents->manifest;
    if (!as_json) {
        char size[TEXT_SIZE_BYTES];
        buf_printf(out, "%s\n  %s, files %zu, migrations %zu, removals %zu\n  manifest %s\n  signer   %s\n",
                   packed->file.text, text_bytes_for_people(size, (uint64_t)packed->bytes),
                   manifest->file_count, manifest->migration_count, manifest->removal_count,
                   packed->manifest_sha256, packed->signer);
        return;
    }
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_string(&json, "file", packed->file.text);
    json_string(&json, "version", manifest->version);
    json_i64(&json, "bytes", packed->bytes);
    json_u64(&json, "files", manifest->file_count);
    json_u64(&json, "migrations", manifest->migration_count);
    json_u64(&json, "removals", manifest->removal_count);
    json_string(&json, "manifest_sha256", packed->manifest_sha256);
    json_string(&json, "signer", packed->signer);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

static bool make_package(const struct settings *settings, struct progress *progress, struct buf *out,
                         struct error *err)
{
    SCOPE_CONTENTS struct contents contents = {.file_paths = NULL};
    struct packed packed;
    if (!contents_collect(settings, progress, &contents, err) ||
        !pack_write(settings, &contents, progress, &packed, err))
        return false;
    if (settings->base == NULL && !settings->quiet)
        fputs("publish: no --base DIR: the package lands on any release that it follows, also on one that it "
              "was"
              " never tried with\n",
              stderr);
    print_packed(&packed, &contents, settings->json, out);
    return true;
}

int main(int argc, char **argv)
{
    struct settings settings;
    int code = settings_read(&settings, argc, argv);
    if (code != GO_ON)
        return code;

    struct progress progress;
    struct error err = {.code = ERR_NONE};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    progress_init(&progress, settings.quiet);
    bool done = settings.inspect != NULL ? inspect_package(&settings, &progress, &out, &err)
                                         : make_package(&settings, &progress, &out, &err);
    progress_end(&progress);
    if (done)
        done = buf_check(&out, "the output", &err);
    if (out.size > 0 && (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0))
        done = error_set_errno(&err, "standard output");
    if (done)
        return 0;
    fprintf(stderr, "publish: %s%s%s%s\n", err.text, err.reason == NULL ? "" : " (",
            err.reason == NULL ? "" : err.reason, err.reason == NULL ? "" : ")");
    return error_exit_code(&err);
}
