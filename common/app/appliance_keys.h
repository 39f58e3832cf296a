/* The one table of config.txt: every key with its type, default, limits and explanation. */
#ifndef COMMON_APP_APPLIANCE_KEYS_H
#define COMMON_APP_APPLIANCE_KEYS_H

#include "common/app/config.h"

/* The target is a struct appliance_config. */
extern const struct config_key appliance_keys[];
extern const size_t appliance_key_count;

#endif
