#include "common/wire/members.h"

#include <math.h>

#include "common/base/decimal.h"
#include "common/base/rfc3339.h"

enum { TIME_MAX_BYTES = 64 /* of any spelling, decoded */ };

bool member_time(struct json_value object, const char *key, int64_t *time_us, struct error *err)
{
    char text[TIME_MAX_BYTES];
    if (!json_need_string(object, key, text, sizeof(text), err))
        return false;
    return rfc3339_parse_us(view_of(text), time_us) ||
           error_set(err, ERR_INPUT, "member `%s`: expected a time like 2026-02-22T10:00:00.000000Z", key);
}

bool member_number(struct json_value object, const char *key, double *value, struct error *err)
{
    struct json_value member = json_member(object, key);
    if (json_is_null(member)) {
        *value = NAN;
        return true;
    }
    if (json_present(member) && json_type_of(member) == JSON_NUMBER && decimal_parse(json_raw(member), value))
        return true;
    return error_set(err, ERR_INPUT, "member `%s`: expected a number or null", key);
}
