#include "server_tools/sync_service/cycle_log.h"

#include <inttypes.h>

void cycle_log_start(const struct log *log, size_t vehicles)
{
    log_info(log, "Starting sync cycle for %zu vehicle(s)…", vehicles);
}

static void log_online(const struct log *log, enum log_level level, const char *name,
                       const struct turn_result *result)
{
    static const char *const db_words[] = {"", "  db_ok=True", "  db_ok=False"};
    const char *version = result->software_version;
    log_write(log, level, "[%s] online%s%s%s", name, version[0] != '\0' ? "  sw=" : "", version,
              db_words[result->db]);
}

static void log_ok(const struct log *log, enum log_level level, const char *name,
                   const struct turn_result *result)
{
    log_online(log, level, name, result);
    if (result->window_us > 0)
        log_write(log, level, "[%s] wrote %" PRId64 " measurements  window=%" PRId64 "s%s%s", name,
                  result->rows_added, (result->window_us + US_PER_S / 2) / US_PER_S,
                  result->note[0] != '\0' ? "  note: " : "", result->note);
    else
        log_write(log, level, "[%s] wrote %" PRId64 " measurements%s%s", name, result->rows_added,
                  result->note[0] != '\0' ? "  note: " : "", result->note);
}

void cycle_log_turn(const struct log *log, size_t vehicles, const char *name,
                    const struct turn_result *result, bool changed)
{
    bool few = vehicles <= CYCLE_LOG_VEHICLES;
    bool said = few || changed;
    if (result->status != TURN_OK && result->db == TURN_DB_FAILED)
        log_online(log, said ? LOG_INFO : LOG_DEBUG, name, result);
    if (result->status == TURN_OK)
        log_ok(log, said ? LOG_INFO : LOG_DEBUG, name, result);
    else
        log_write(log, said ? LOG_WARN : LOG_DEBUG, "[%s] %s", name, result->note);
}

void cycle_log_done(const struct log *log, const struct cycle_totals *totals, int64_t sleep_us)
{
    double took_s = (double)totals->duration_us / US_PER_S;
    if (totals->vehicles > CYCLE_LOG_VEHICLES)
        log_info(log, "Cycle: %zu ok, %zu timeout, %zu error, %zu left out, %" PRId64 " measurements",
                 totals->ok, totals->timeout, totals->error, totals->left_out, totals->rows_added);
    if (sleep_us < 0)
        log_info(log, "Cycle done in %.1fs", took_s);
    else
        log_info(log, "Cycle done in %.1fs — sleeping %.1fs", took_s, (double)sleep_us / US_PER_S);
}

void cycle_log_overrun(const struct log *log, int64_t took_us)
{
    log_info(log, "A cycle that overran done in %.1fs", (double)took_us / US_PER_S);
}
