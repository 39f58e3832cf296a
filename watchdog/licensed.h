/* Whether this machine may run at all: ROOT/license.dat, where config.txt has LICENSE_PUBLIC_KEY_FILE. Asked
 * once, at the start: a licence that ends meanwhile stops nothing that runs. */
#ifndef WATCHDOG_LICENSED_H
#define WATCHDOG_LICENSED_H

#include "common/app/appliance.h"
#include "common/base/clock.h"

/* True also when no licence is needed. The log says whose it is. Errors say what is wrong with it and what to
 * do. */
bool licensed(const struct appliance *appliance, const struct log *log, struct error *err) MUST_USE;

#endif
