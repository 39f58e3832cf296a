/* Started as root with SERVICE_USER, the services run as that user: what they write becomes theirs. All else
 * in ROOT stays root's: releases, current, boot, keys, config.txt, and log, which the watchdog writes and the
 * user's group may read. */
#ifndef WATCHDOG_OWNERS_H
#define WATCHDOG_OWNERS_H

#include "common/app/appliance.h"

/* The store's folder, data, agent and pending_update with the files in them, and credentials.env (mode
 * 0600) become the user's; run becomes writable by its group, with the sticky bit, so that our own files
 * there stay ours; its group may hold run/update.lock. socket: of the notifications. Does nothing when we are
 * not root or no user is set. Errors: ERR_NOT_FOUND (no such user), ERR_IO. */
bool owners_hand_over(const struct appliance *appliance, const char *socket, struct error *err) MUST_USE;

#endif
