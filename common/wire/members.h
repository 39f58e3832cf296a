/* Members that lines and answers have: a time, a number or null. Threads: safe. */
#ifndef COMMON_WIRE_MEMBERS_H
#define COMMON_WIRE_MEMBERS_H

#include "common/net/json.h"

/* Each: false with ERR_INPUT, which names the member, when it is absent or of another kind. */
bool member_time(struct json_value object, const char *key, int64_t *time_us, struct error *err) MUST_USE;
/* null: NaN. */
bool member_number(struct json_value object, const char *key, double *value, struct error *err) MUST_USE;

#endif
