/* `migrate`: brings the database's schema and roles up to date. */
#include "server_tools/central/central_fleet.h"
#include "server_tools/sync_service/commands.h"

bool command_migrate(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct central_migrate_report report;
    if (!central_migrate_fleet(scene->settings->db_url, scene->clock, &report, err))
        return false;
    central_migrate_describe(&report, scene->line->json, out);
    return true;
}
