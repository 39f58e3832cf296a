/* What `updater apply`, `recover`, `commit`, `undo`, `rollback` and `history` print: for people or, with
 * json, one JSON object and a line feed. Failure is the buffer's. */
#ifndef UPDATER_REPORT_H
#define UPDATER_REPORT_H

#include "updater/apply.h"
#include "updater/recover.h"

void report_apply(const struct apply_result *result, bool json, struct buf *out);
void report_recovery(const struct recovery *recovery, bool json, struct buf *out);

enum { REPORT_HISTORY_MAX = 1000 };
/* The newest REPORT_HISTORY_MAX events, the newest first. */
bool report_history(const char *root, bool json, struct buf *out, struct error *err) MUST_USE;

#endif
