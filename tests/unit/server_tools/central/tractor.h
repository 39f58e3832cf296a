/* A fresh central store that knows one vehicle, tractor-7. */
#ifndef TESTS_UNIT_SERVER_TOOLS_CENTRAL_TRACTOR_H
#define TESTS_UNIT_SERVER_TOOLS_CENTRAL_TRACTOR_H

#include "tests/unit/server_tools/central/stores.h"

static inline int set_up(void **state, bool postgres)
{
    struct store *store = store_make(postgres, sizeof(*store));
    store->vehicle_id = vehicle_named(store->central, "tractor-7");
    *state = store;
    return 0;
}

static inline int set_up_sqlite(void **state)
{
    return set_up(state, false);
}

static inline int set_up_postgres(void **state)
{
    return set_up(state, true);
}

static inline int tear_down(void **state)
{
    store_remove(*state);
    return 0;
}

static inline int64_t us_of(const char *text)
{
    int64_t utc_us = -1;
    assert_true(rfc3339_parse_us(view_of(text), &utc_us));
    return utc_us;
}

#endif
