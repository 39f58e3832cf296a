/* The table of sync_service's keys. Private to settings*.c. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SETTINGS_KEYS_H
#define SERVER_TOOLS_SYNC_SERVICE_SETTINGS_KEYS_H

#include "server_tools/sync_service/settings.h"

extern const struct config_key sync_keys[];
extern const size_t sync_key_count;

#endif
