/* `updater status`: what a ROOT holds. Reads only. */
#ifndef UPDATER_STATUS_H
#define UPDATER_STATUS_H

#include "common/base/buf.h"

/* For people or, with json, as one JSON object and a line feed. Errors: ERR_NOT_FOUND (no ROOT). */
bool status_print(const char *root, bool json, struct buf *out, struct error *err) MUST_USE;

#endif
