#include "server_tools/sync_service/outbound_answers.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/wire/members.h"

static struct json *parse_object(struct view body, size_t max_bytes, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, max_bytes, err);
    if (json == NULL)
        return NULL;
    if (json_type_of(json_root(json)) != JSON_OBJECT) {
        error_set(err, ERR_PROTOCOL, "expected an object");
        return NULL;
    }
    return POINTER_TAKE(json);
}

/* Absent or null: "". What is longer than the table has is cut behind a whole character. A text of the
 * vehicle's goes into logs and tables: control characters become '?'. */
static bool read_text(struct json_value object, const char *key, char *out, size_t out_bytes,
                      struct error *err)
{
    struct json_value member = json_member(object, key);
    out[0] = '\0';
    if (!json_present(member) || json_is_null(member))
        return true;
    if (!json_get_cut_string(member, out, out_bytes))
        return error_set(err, ERR_PROTOCOL, "member `%s`: expected a text", key);
    text_make_printable(out);
    return true;
}

/* The name of a channel says which one it is: it is not cut. */
static bool read_name(struct json_value object, char *out, size_t out_bytes, struct error *err)
{
    if (!json_need_string(object, "name", out, out_bytes, err))
        return false;
    text_make_printable(out);
    return out[0] != '\0' || error_set(err, ERR_PROTOCOL, "member `name`: expected a name");
}

/* Absent or null: NaN. */
static bool read_limit(struct json_value object, const char *key, double *out, struct error *err)
{
    *out = NAN;
    return !json_present(json_member(object, key)) || member_number(object, key, out, err);
}

bool outbound_status_read(struct view body, struct outbound_status *out, struct error *err)
{
    SCOPE_JSON struct json *json = parse_object(body, OUTBOUND_STATUS_MAX_BYTES, err);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct outbound_status status = {.db_ok = true};
    struct json_value db_ok = json_member(root, "db_ok");
    if (!read_text(root, "name", status.name, sizeof(status.name), err) ||
        !read_text(root, "software_version", status.software_version, sizeof(status.software_version), err) ||
        !member_time(root, "time", &status.time_us, err))
        return false;
    if (json_present(db_ok) && !json_is_null(db_ok) && !json_get_bool(db_ok, &status.db_ok))
        return error_set(err, ERR_PROTOCOL, "member `db_ok`: expected true or false");
    *out = status;
    return true;
}

/* ---- arrays ---- */

/* One element; out: zeroes, or what another one that failed has left. */
typedef bool read_element(struct json_value element, void *out, struct error *err);

struct array_kind {
    const char *member;
    size_t element_bytes, max;
    read_element *read;
};

static void leave_out(struct outbound_left_out *left_out, const struct error *why)
{
    if (left_out->count++ == 0)
        left_out->first = *why;
}

static bool read_one(const struct array_kind *kind, struct json_value element, size_t i, void *out,
                     struct error *err)
{
    if (json_type_of(element) != JSON_OBJECT)
        return error_set(err, ERR_PROTOCOL, "element %zu: expected an object", i);
    return kind->read(element, out, err) || error_wrap(err, "element %zu", i);
}

/* left_out: NULL when an element that cannot be taken spoils the others. */
static bool read_elements(const struct array_kind *kind, struct json_value array, void *elements,
                          size_t *count, struct outbound_left_out *left_out, struct error *err)
{
    struct json_value at = {0};
    char *out = elements;
    size_t taken = 0;
    for (size_t i = 0; json_next(array, &at, NULL); i++) {
        struct error why;
        if (read_one(kind, at, i, out + taken * kind->element_bytes, &why)) {
            taken++;
        } else if (left_out != NULL) {
            leave_out(left_out, &why);
        } else {
            *err = why;
            return error_wrap(err, "`%s`", kind->member);
        }
    }
    *count = taken;
    return true;
}

/* malloc'ed; NULL: it failed. */
static void *read_array(const struct array_kind *kind, struct view body, size_t *count,
                        struct outbound_left_out *left_out, struct error *err)
{
    SCOPE_JSON struct json *json = parse_object(body, OUTBOUND_ANSWER_MAX_BYTES, err);
    if (json == NULL)
        return NULL;
    struct json_value array = json_member(json_root(json), kind->member);
    if (!json_present(array) || json_type_of(array) != JSON_ARRAY) {
        error_set(err, ERR_PROTOCOL, "member `%s`: expected an array", kind->member);
        return NULL;
    }
    size_t found = json_count(array);
    if (found > kind->max) {
        error_set(err, ERR_LIMIT, "`%s`: %zu elements, at most %zu are taken", kind->member, found,
                  kind->max);
        return NULL;
    }
    void *elements = calloc(found + 1, kind->element_bytes);
    if (elements == NULL) {
        error_set(err, ERR_MEMORY, "no memory for %zu elements", found);
        return NULL;
    }
    if (!read_elements(kind, array, elements, count, left_out, err)) {
        free(elements);
        return NULL;
    }
    return elements;
}

static bool read_id(struct json_value object, int32_t *out, struct error *err)
{
    int64_t id;
    if (!json_need_i64(object, "channel_id", 0, INT32_MAX, &id, err))
        return false;
    *out = (int32_t)id;
    return true;
}

static bool read_channel(struct json_value element, void *out, struct error *err)
{
    struct job_channel *channel = out;
    if (!read_id(element, &channel->remote_id, err) ||
        !read_name(element, channel->name, sizeof(channel->name), err) ||
        !read_text(element, "unit", channel->unit, sizeof(channel->unit), err) ||
        !read_text(element, "description", channel->description, sizeof(channel->description), err) ||
        !read_limit(element, "phys_min", &channel->min_value, err) ||
        !read_limit(element, "phys_max", &channel->max_value, err))
        return false;
    return true;
}

static int compare_channels(const void *a, const void *b)
{
    const struct job_channel *left = a;
    const struct job_channel *right = b;
    return (left->remote_id > right->remote_id) - (left->remote_id < right->remote_id);
}

static bool read_time_or_null(struct json_value object, const char *key, int64_t *out, struct error *err)
{
    struct json_value member = json_member(object, key);
    *out = INT64_MIN;
    return !json_present(member) || json_is_null(member) || member_time(object, key, out, err);
}

static bool read_alarm(struct json_value element, void *out, struct error *err)
{
    struct job_alarm *alarm = out;
    struct json_value channel = json_member(element, "channel_id");
    alarm->remote_id = -1;
    return json_need_i64(element, "alarm_id", 0, INT64_MAX, &alarm->alarm_id, err) &&
           (!json_present(channel) || json_is_null(channel) || read_id(element, &alarm->remote_id, err)) &&
           read_text(element, "severity", alarm->severity, sizeof(alarm->severity), err) &&
           read_text(element, "message", alarm->message, sizeof(alarm->message), err) &&
           member_time(element, "raised_at", &alarm->raised_us, err) &&
           read_time_or_null(element, "resolved_at", &alarm->resolved_us, err);
}

/* By number, of one alarm the latest end first; the rest makes no difference but that of chance. */
static int compare_alarms(const void *a, const void *b)
{
    const struct job_alarm *left = a;
    const struct job_alarm *right = b;
    if (left->alarm_id != right->alarm_id)
        return left->alarm_id < right->alarm_id ? -1 : 1;
    if (left->resolved_us != right->resolved_us)
        return left->resolved_us > right->resolved_us ? -1 : 1;
    if (left->raised_us != right->raised_us)
        return left->raised_us < right->raised_us ? -1 : 1;
    return strcmp(left->message, right->message);
}

static size_t drop_twice(struct job_alarm *alarms, size_t count, struct outbound_left_out *left_out)
{
    size_t kept = 0;
    if (count > 1)
        qsort(alarms, count, sizeof(*alarms), compare_alarms);
    for (size_t i = 0; i < count; i++) {
        struct error why;
        if (kept == 0 || alarms[kept - 1].alarm_id != alarms[i].alarm_id) {
            alarms[kept++] = alarms[i];
            continue;
        }
        error_set(&why, ERR_PROTOCOL, "alarm_id %" PRId64 " comes twice", alarms[i].alarm_id);
        leave_out(left_out, &why);
    }
    return kept;
}

static bool channels_have_twice(struct job_channel *channels, size_t count)
{
    if (count > 1)
        qsort(channels, count, sizeof(*channels), compare_channels);
    for (size_t i = 1; i < count; i++)
        if (channels[i - 1].remote_id == channels[i].remote_id)
            return true;
    return false;
}

bool outbound_channels_read(struct view body, struct job_channel **channels, size_t *count, struct error *err)
{
    static const struct array_kind kind = {"channels", sizeof(struct job_channel), CHANNEL_BOOK_MAX,
                                           read_channel};
    size_t found;
    SCOPE_FREE struct job_channel *taken = read_array(&kind, body, &found, NULL, err);
    if (taken == NULL)
        return false;
    if (channels_have_twice(taken, found))
        return error_set(err, ERR_PROTOCOL, "`channels`: a channel_id comes twice");
    *channels = POINTER_TAKE(taken);
    *count = found;
    return true;
}

bool outbound_alarms_read(struct view body, struct job_alarm **alarms, size_t *count,
                          struct outbound_left_out *left_out, struct error *err)
{
    static const struct array_kind kind = {"alarms", sizeof(struct job_alarm), CENTRAL_ALARMS_MAX,
                                           read_alarm};
    struct outbound_left_out left = {.count = 0};
    size_t found;
    struct job_alarm *taken = read_array(&kind, body, &found, &left, err);
    if (taken == NULL)
        return false;
    *count = drop_twice(taken, found, &left);
    *alarms = taken;
    *left_out = left;
    return true;
}
