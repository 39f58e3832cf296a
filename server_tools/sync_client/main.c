/* sync_client: brings one machine's telemetry home. */
#include <signal.h>
#include <stdio.h>

#include "common/net/http_client.h"
#include "server_tools/sync_client/import_files.h"
#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/report.h"
#include "server_tools/sync_client/settings.h"
#include "server_tools/sync_client/support.h"
#include "server_tools/sync_client/sync.h"

enum { GO_ON = -1 };

static bool run_session(const struct settings *settings, struct notices *notices, struct error *err)
{
    struct report report;
    if (!http_client_global_init(err))
        return false;
    if (settings->support != NULL)
        return support_fetch(settings, notices, err);
    report_init(&report);
    struct error problem;
    bool done = sync_run(settings, notices, &report, err);
    bool worth_it = done || report.update.outcome != REPORT_UPDATE_NONE;
    bool printed = !worth_it || report_print(&report, settings->json, done ? err : &problem);
    report_clear(&report);
    return done && printed;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a connection that goes away is an error to report, not a death */
    struct settings settings;
    int code = settings_read(&settings, argc, argv);
    if (code != GO_ON)
        return code;

    struct notices notices;
    notices_init(&notices, settings.quiet, clock_system());
    struct error err;
    bool done =
        settings.import ? import_files(&settings, &notices, &err) : run_session(&settings, &notices, &err);
    if (done)
        return 0;
    fprintf(stderr, "sync_client: %s\n", err.text);
    return error_exit_code(&err);
}
