#include "server_tools/sync_service/outbound_answers.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/wire/members.h"

enum { TEXT_MAX_BYTES = 4096 };

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
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    if (json_type_of(member) != JSON_STRING || !json_append_string(member, &text))
        return error_set(err, ERR_PROTOCOL, "member `%s`: expected a text of at most %d bytes", key,
                         TEXT_MAX_BYTES);
    size_t size = text.size < out_bytes ? text.size : out_bytes - 1;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    memcpy(out, text.size > 0 ? text.data : "", size);
    out[size] = '\0';
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

/* One element; out: calloc'ed. */
typedef bool read_element(struct json_value element, void *out, struct error *err);

struct array_kind {
    const char *member;
    size_t element_bytes, max;
    read_element *read;
    int (*compare)(const void *a, const void *b);
    const char *twice;
};

static bool sorted_has_twice(const struct array_kind *kind, void *elements, size_t count)
{
    char *at = elements;
    qsort(elements, count, kind->element_bytes, kind->compare);
    for (size_t i = 1; i < count; i++)
        if (kind->compare(at + (i - 1) * kind->element_bytes, at + i * kind->element_bytes) == 0)
            return true;
    return false;
}

static bool read_elements(const struct array_kind *kind, struct json_value array, void *elements,
                          size_t count, struct error *err)
{
    struct json_value at = {0};
    char *out = elements;
    for (size_t i = 0; i < count && json_next(array, &at, NULL); i++) {
        if (json_type_of(at) != JSON_OBJECT)
            return error_set(err, ERR_PROTOCOL, "`%s`, element %zu: expected an object", kind->member, i);
        if (!kind->read(at, out + i * kind->element_bytes, err))
            return error_wrap(err, "`%s`, element %zu", kind->member, i);
    }
    if (sorted_has_twice(kind, elements, count))
        return error_set(err, ERR_PROTOCOL, "`%s`: %s comes twice", kind->member, kind->twice);
    return true;
}

/* malloc'ed; NULL: it failed. */
static void *read_array(const struct array_kind *kind, struct view body, size_t *count, struct error *err)
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
    if (!read_elements(kind, array, elements, found, err)) {
        free(elements);
        return NULL;
    }
    *count = found;
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

static int compare_alarms(const void *a, const void *b)
{
    const struct job_alarm *left = a;
    const struct job_alarm *right = b;
    return (left->alarm_id > right->alarm_id) - (left->alarm_id < right->alarm_id);
}

bool outbound_channels_read(struct view body, struct job_channel **channels, size_t *count, struct error *err)
{
    static const struct array_kind kind = {"channels",   sizeof(struct job_channel), CHANNEL_BOOK_MAX,
                                           read_channel, compare_channels,           "a channel_id"};
    void *elements = read_array(&kind, body, count, err);
    if (elements == NULL)
        return false;
    *channels = elements;
    return true;
}

bool outbound_alarms_read(struct view body, struct job_alarm **alarms, size_t *count, struct error *err)
{
    static const struct array_kind kind = {"alarms",   sizeof(struct job_alarm), CENTRAL_ALARMS_MAX,
                                           read_alarm, compare_alarms,           "an alarm_id"};
    void *elements = read_array(&kind, body, count, err);
    if (elements == NULL)
        return false;
    *alarms = elements;
    return true;
}
