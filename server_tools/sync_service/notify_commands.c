/* `notify add|list|remove|test`: who is told of what, and how. */
#include <stdio.h>

#include "common/base/text.h"
#include "common/crypto/random.h"
#include "common/net/json_writer.h"
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/listing.h"
#include "server_tools/sync_service/notice_queue.h"

enum { QUIET_BYTES = sizeof("22:00"), SECRET_MAX_BYTES = 256, RULE_ID_MAX = 2147483647, RULE_ID_BYTES = 16 };

static const char kind_words[] = "silent|alarm|resolved|rollout";
static const char severity_words[] = "info|warning|critical";

/* ---- what was typed ---- */

static bool is_one_of(struct view value, const char *choices)
{
    struct view rest = view_of(choices);
    while (rest.size > 0) {
        if (view_equal(text_cut(&rest, '|'), value))
            return true;
    }
    return false;
}

static bool check_kinds(const char *kinds, struct error *err)
{
    struct view rest = view_of(kinds);
    do {
        if (!is_one_of(text_cut(&rest, ','), kind_words))
            return error_set(err, ERR_USAGE, "--kinds: expected some of %s, separated by commas", kind_words);
    } while (rest.size > 0);
    return true;
}

static bool is_time_of_day(struct view text)
{
    uint64_t hour;
    uint64_t minute;
    return text.size == QUIET_BYTES - 1 && text.data[2] == ':' &&
           text_parse_u64((struct view){text.data, 2}, 23, &hour) &&
           text_parse_u64((struct view){text.data + 3, 2}, 59, &minute);
}

/* "22:00-07:00"; NULL: no quiet hours, both "". */
static bool read_quiet(const char *typed, char from[QUIET_BYTES], char to[QUIET_BYTES], struct error *err)
{
    struct view end = view_of(typed);
    struct view begin = text_cut(&end, '-');
    from[0] = to[0] = '\0';
    if (typed == NULL)
        return true;
    if (!is_time_of_day(begin) || !is_time_of_day(end) || view_equal(begin, end))
        return error_set(err, ERR_USAGE, "--quiet-hours: expected two different times of day, 22:00-07:00");
    return text_copy(from, QUIET_BYTES, begin) && text_copy(to, QUIET_BYTES, end);
}

static const struct notice_way *way_of(const struct command_line *line, struct error *err)
{
    const struct notice_way *way = line->channel == NULL ? NULL : notice_way_find(line->channel);
    if (way == NULL)
        error_set(err, ERR_USAGE, "notify add needs --channel email, webhook or telegram");
    return way;
}

/* ---- add ---- */

struct rule {
    char quiet_from[QUIET_BYTES], quiet_to[QUIET_BYTES];
    char secret[SECRET_MAX_BYTES + 1];
};

static bool read_rule(const struct command_line *line, struct rule *out, struct error *err)
{
    const char *severity = line->min_severity;
    if (line->user == NULL)
        return error_set(err, ERR_USAGE, "notify add needs --user EMAIL");
    if (severity != NULL && !is_one_of(view_of(severity), severity_words))
        return error_set(err, ERR_USAGE, "--min-severity: expected one of %s", severity_words);
    if (line->kinds != NULL && !check_kinds(line->kinds, err))
        return false;
    if (line->secret != NULL && !text_copy(out->secret, sizeof(out->secret), view_of(line->secret)))
        return error_set(err, ERR_USAGE, "--secret: expected at most %d bytes", SECRET_MAX_BYTES);
    return read_quiet(line->quiet_hours, out->quiet_from, out->quiet_to, err);
}

/* The user's number and email; the email is where emails go when nothing else was said. */
static struct pg_result *find_user(struct pg *pg, const char *email, struct error *err)
{
    struct pg_result *found = pg_query(pg, "SELECT user_id, email FROM users WHERE lower(email) = lower($1)",
                                       &email, 1, false, err);
    if (found != NULL && pg_rows(found) == 1)
        return found;
    if (found != NULL)
        error_set(err, ERR_NOT_FOUND, "there is no user %s (docs/operations/notices.md says how one is made)",
                  email);
    pg_result_free(found);
    return NULL;
}

static void add_text(struct json_writer *json, const char *key, const char *text)
{
    if (text == NULL)
        json_null(json, key);
    else
        json_string(json, key, text);
}

/* PostgreSQL knows which there are. */
static bool check_time_zone(struct pg *pg, const char *name, struct error *err)
{
    if (name == NULL)
        return true;
    SCOPE_PG_RESULT struct pg_result *there =
        pg_query(pg, "SELECT now() AT TIME ZONE $1", &name, 1, false, err);
    if (there == NULL && err->code == ERR_INPUT)
        return error_set(err, ERR_USAGE,
                         "--time-zone: expected a time zone as Europe/Kyiv or UTC, found `%.40s`", name);
    return there != NULL;
}

static bool insert_rule(struct pg *pg, const struct command_line *line, const struct rule *rule,
                        const char *const user_target[2], struct buf *rule_id, struct error *err)
{
    const char *const params[] = {
        user_target[0],
        line->channel,
        user_target[1],
        rule->secret,
        line->kinds == NULL ? "silent,alarm,resolved,rollout" : line->kinds,
        line->min_severity == NULL ? "info" : line->min_severity,
        rule->quiet_from[0] == '\0' ? NULL : rule->quiet_from,
        rule->quiet_from[0] == '\0' ? NULL : rule->quiet_to,
        line->time_zone == NULL ? "UTC" : line->time_zone,
    };
    SCOPE_PG_RESULT struct pg_result *made = pg_query(
        pg,
        "INSERT INTO notice_rules (user_id, channel, target, secret, kinds, min_severity, quiet_from, "
        "quiet_to,"
        " time_zone) VALUES ($1::int, $2, $3, $4, string_to_array($5, ','), $6, $7::time, $8::time, $9)"
        " RETURNING rule_id",
        params, COUNT_OF(params), false, err);
    if (made == NULL && err->code == ERR_CHANGED)
        return error_set(err, ERR_EXISTS,
                         "%s is told by %s at that target already: `sync_service notify list`", line->user,
                         line->channel);
    if (made == NULL)
        return false;
    buf_append_view(rule_id, pg_value(made, 0, 0));
    return buf_check(rule_id, "the rule's number", err);
}

/* secret: one that was made and is shown this once; missing: why nothing is sent that way yet. NULL: neither.
 */
static void say_added(const struct command_line *line, const char *rule_id, const char *target,
                      const char *secret, const char *missing, struct buf *out)
{
    if (!line->json) {
        buf_printf(out, "rule %s: %s is told by %s\n", rule_id, line->user, line->channel);
        if (secret != NULL)
            buf_printf(out, "its calls are signed with the secret %s\n", secret);
        if (missing != NULL)
            buf_printf(out, "nothing is sent by %s yet: %s\n", line->channel, missing);
        return;
    }
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_raw_text(&json, "rule_id", view_of(rule_id));
    json_string(&json, "user", line->user);
    json_string(&json, "channel", line->channel);
    json_string(&json, "target", target);
    add_text(&json, "secret", secret);
    add_text(&json, "missing", missing);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

bool command_notify_add(const struct command_scene *scene, struct buf *out, struct error *err)
{
    const struct command_line *line = scene->line;
    const struct notice_way *way = way_of(line, err);
    struct rule rule = {.secret = ""};
    if (way == NULL || !read_rule(line, &rule, err))
        return false;
    bool makes_secret = way == &notice_webhook && line->secret == NULL;
    if (line->target == NULL && way != &notice_email)
        return error_set(err, ERR_USAGE, "notify add needs --target for %s", way->channel);
    if (makes_secret)
        random_uuid(rule.secret);
    SCOPE_BUF struct buf rule_id = BUF_LIMIT(RULE_ID_BYTES);
    SCOPE_PG struct pg *pg = notice_db_open(scene->settings->db_url, err);
    SCOPE_PG_RESULT struct pg_result *user = pg == NULL ? NULL : find_user(pg, line->user, err);
    if (user == NULL)
        return false;
    const char *target = line->target == NULL ? pg_value(user, 0, 1).data : line->target;
    const char *const user_target[2] = {pg_value(user, 0, 0).data, target};
    if (!way->check(scene->settings, target, err))
        return error_wrap(err, "--target");
    if (!check_time_zone(pg, line->time_zone, err) ||
        !insert_rule(pg, line, &rule, user_target, &rule_id, err))
        return false;
    say_added(line, buf_text(&rule_id), target, makes_secret ? rule.secret : NULL,
              way->missing(scene->settings), out);
    return true;
}

/* ---- list, remove ---- */

#define LAST_SENT_AT LISTING_TIME("n.sent_at") " AS last_sent_at"

bool command_notify_list(const struct command_scene *scene, struct buf *out, struct error *err)
{
    static const struct listing listing = {
        .member = "rules",
        .sql = "SELECT r.rule_id, u.email AS user, u.status, r.channel, r.target, array_to_string(r.kinds, "
               "',') AS kinds,"
               " r.min_severity, to_char(r.quiet_from, 'HH24:MI') || '-' || to_char(r.quiet_to, 'HH24:MI') "
               "AS quiet_hours,"
               " r.time_zone, n.waiting, n.failed, " LAST_SENT_AT ", n.last_error"
               " FROM notice_rules r JOIN users u USING (user_id) LEFT JOIN LATERAL (SELECT"
               " count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS waiting,"
               " count(*) FILTER (WHERE state = 'failed') AS failed, max(sent_at) AS sent_at,"
               " (array_agg(last_error ORDER BY notice_id DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS "
               "last_error"
               " FROM notices WHERE rule_id = r.rule_id) n ON true ORDER BY r.rule_id",
        .columns = "rule_id,user,channel,target,kinds,min_severity,quiet_hours,time_zone,waiting,failed,"
                   "last_sent_at,last_error",
        .empty = "nobody is told of anything: `sync_service notify add --user EMAIL --channel email`",
    };
    SCOPE_PG struct pg *pg = notice_db_open(scene->settings->db_url, err);
    return pg != NULL && listing_print(pg, &listing, 1, scene->line->json, out, err);
}

static bool check_rule_id(const char *word, struct error *err)
{
    uint64_t number;
    return text_parse_u64(view_of(word), RULE_ID_MAX, &number) ||
           error_set(err, ERR_USAGE, "`%.40s` is no rule's number: `sync_service notify list` shows them",
                     word);
}

static bool no_such_rule(const char *word, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "there is no rule %s: `sync_service notify list` shows them", word);
}

bool command_notify_remove(const struct command_scene *scene, struct buf *out, struct error *err)
{
    const char *id = scene->line->words[0];
    if (!check_rule_id(id, err))
        return false;
    SCOPE_PG struct pg *pg = notice_db_open(scene->settings->db_url, err);
    SCOPE_PG_RESULT struct pg_result *gone =
        pg == NULL ? NULL
                   : pg_query(pg, "DELETE FROM notice_rules WHERE rule_id = $1::int", &id, 1, false, err);
    if (gone == NULL)
        return false;
    if (pg_changes(gone) == 0)
        return no_such_rule(id, err);
    buf_printf(out,
               scene->line->json ? "{\"rule_id\":%s,\"removed\":true}\n"
                                 : "removed rule %s; what waits for it is not sent\n",
               id);
    return true;
}

/* ---- test ---- */

static bool send_test(const struct command_scene *scene, const struct notice_way *way,
                      const struct notice *notice, struct error *err)
{
    const char *missing = way->missing(scene->settings);
    if (missing != NULL)
        return error_set(err, ERR_USAGE, "nothing can be sent by %s: %s", way->channel, missing);
    void *opened = way->open(scene->settings, scene->clock, err);
    if (opened == NULL)
        return false;
    bool sent = way->send(opened, notice, err) == NOTICE_SENT;
    way->close(opened);
    return sent;
}

static void say_sent(const struct command_line *line, const char *rule_id, const char *channel,
                     const char *target, struct buf *out)
{
    if (!line->json) {
        buf_printf(out, "sent by %s to %s\n", channel, target);
        return;
    }
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_raw_text(&json, "rule_id", view_of(rule_id));
    json_string(&json, "channel", channel);
    json_string(&json, "target", target);
    json_bool(&json, "sent", true);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

bool command_notify_test(const struct command_scene *scene, struct buf *out, struct error *err)
{
    const char *id = scene->line->words[0];
    if (!check_rule_id(id, err))
        return false;
    SCOPE_PG struct pg *pg = notice_db_open(scene->settings->db_url, err);
    SCOPE_PG_RESULT struct pg_result *rule =
        pg == NULL ? NULL
                   : pg_query(pg, "SELECT channel, target, secret FROM notice_rules WHERE rule_id = $1::int",
                              &id, 1, false, err);
    if (rule == NULL)
        return false;
    if (pg_rows(rule) == 0)
        return no_such_rule(id, err);
    const struct notice_way *way = notice_way_find(pg_value(rule, 0, 0).data);
    const struct notice notice = {
        .created_us = clock_utc_us(scene->clock),
        .target = pg_value(rule, 0, 1).data,
        .secret = pg_value(rule, 0, 2).data,
        .kind = "test",
        .subject = "Telehaul can reach you here",
        .body = "This is a test: somebody asked for it with `sync_service notify test`.",
    };
    if (way == NULL)
        return error_set(err, ERR_INTERNAL, "rule %s has a channel that this version does not know", id);
    if (!send_test(scene, way, &notice, err))
        return false;
    say_sent(scene->line, id, way->channel, notice.target, out);
    return true;
}
