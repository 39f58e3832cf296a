/* A bare scan of a telemetry store, the yardstick of an export: sqlite3_step and all four column calls, one
 * thread. `scan FILE` prints the rows and the seconds that they took. */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/store/db.h"

/* Something that depends on every column, so that none of the calls can be left out. */
static int64_t scan_rows(sqlite3_stmt *stmt, int64_t *checksum)
{
    int64_t rows = 0;
    for (; sqlite3_step(stmt) == SQLITE_ROW; rows++) {
        double value = sqlite3_column_double(stmt, 3);
        *checksum += (sqlite3_column_int64(stmt, 0) ^ sqlite3_column_int64(stmt, 1)) +
                     sqlite3_column_int64(stmt, 2) + (value > 0);
    }
    return rows;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: scan FILE\n");
        return 2;
    }
    SCOPE_DB sqlite3 *db = db_open(argv[1], DB_READ, &err);
    SCOPE_STMT sqlite3_stmt *stmt =
        db == NULL ? NULL : db_prepare(db, "SELECT seq, time_us, channel_id, value FROM readings", &err);
    if (stmt == NULL) {
        fprintf(stderr, "scan: %s\n", err.text);
        return 1;
    }
    int64_t checksum = 0;
    int64_t start_us = clock_monotonic_us(clock_system());
    int64_t rows = scan_rows(stmt, &checksum);
    int64_t took_us = clock_monotonic_us(clock_system()) - start_us;
    printf("%lld %.6f %llx\n", (long long)rows, (double)took_us / US_PER_S, (unsigned long long)checksum);
    return rows > 0 ? 0 : 1;
}
