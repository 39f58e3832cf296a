#include "server_tools/sync_service/data_answer.h"

#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/net/json.h"
#include "server_tools/sync_service/data_row.h"

enum {
    PIECE_BYTES = 32 * 1024, /* looked at at once */
    WINDOW_BYTES = PIECE_BYTES + DATA_ANSWER_ITEM_BYTES,
    FIRST_ROWS = 512,
    OTHERS_MAX = 32, /* members that the contract does not have */
    OTHER_NAME_BYTES = 64,
};

/* Where in the answer the next byte is. */
enum state {
    AT_START,      /* { */
    AT_FIRST_NAME, /* a name, or } */
    AT_NAME,       /* a name */
    AT_COLON,      /* : */
    AT_VALUE,      /* of a member */
    AT_COMMA,      /* , or } behind a member */
    AT_FIRST_ROW,  /* a row, or ] */
    AT_ROW,        /* a row */
    AT_ROW_COMMA,  /* , or ] behind a row */
    AT_END,        /* nothing but blanks */
};

enum member { FROM, TO, TRUNCATED, COUNT, ROWS, MEMBERS, OTHER = MEMBERS };
static const char *const member_names[MEMBERS] = {"from", "to", "truncated", "count", "rows"};

struct data_answer {
    struct window asked;
    enum state state;
    enum member member;
    unsigned seen; /* a bit a member */
    size_t others;
    char other_names[OTHERS_MAX][OTHER_NAME_BYTES];
    bool truncated;
    int64_t count;
    int64_t newest_us;
    struct central_row *rows;
    size_t row_count, row_capacity;
    struct data_row_reader reader;
    uint64_t gone_bytes; /* of the body, before the window */
    size_t size;
    char window[WINDOW_BYTES + DATA_SCAN_PAD_BYTES];
};

struct data_answer *data_answer_new(struct window asked, struct error *err)
{
    struct data_answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        error_set(err, ERR_MEMORY, "no memory for an answer");
        return NULL;
    }
    answer->asked = asked;
    answer->newest_us = INT64_MIN;
    return answer;
}

void data_answer_free(struct data_answer *answer)
{
    if (answer == NULL)
        return;
    free(answer->rows);
    free(answer);
}

static enum data_taken wrong(const struct data_answer *answer, const struct data_scan *scan,
                             struct error *err, const char *what)
{
    uint64_t at = answer->gone_bytes + (uint64_t)(scan->at - answer->window);
    error_set(err, ERR_PROTOCOL, "byte %llu: %s", (unsigned long long)at, what);
    return DATA_WRONG;
}

static void skip_blanks(struct data_scan *scan)
{
    while (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t')
        scan->at++;
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static bool room_for_row(struct data_answer *answer, struct error *err)
{
    if (answer->row_count < answer->row_capacity)
        return true;
    if (answer->row_count == DATA_ANSWER_MAX_ROWS)
        return error_set(err, ERR_LIMIT, "more than %d rows in one answer", DATA_ANSWER_MAX_ROWS);
    size_t capacity = answer->row_capacity == 0 ? FIRST_ROWS : 2 * answer->row_capacity;
    if (capacity > DATA_ANSWER_MAX_ROWS)
        capacity = DATA_ANSWER_MAX_ROWS;
    struct central_row *rows = realloc(answer->rows, capacity * sizeof(*rows));
    if (rows == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %zu rows", capacity);
    answer->rows = rows;
    answer->row_capacity = capacity;
    return true;
}

static enum data_taken add_row(struct data_answer *answer, const struct data_scan *scan,
                               const struct central_row *row, struct error *err)
{
    if (row->time_us < answer->asked.from_us || row->time_us >= answer->asked.to_us)
        return wrong(answer, scan, err, "a row outside the window that was asked for");
    if (row->time_us < answer->newest_us)
        return wrong(answer, scan, err, "wrong time order: a row is older than the one before it");
    if (!room_for_row(answer, err))
        return DATA_WRONG;
    answer->newest_us = row->time_us;
    answer->rows[answer->row_count++] = *row;
    return DATA_TAKEN;
}

static enum data_taken take_row(struct data_answer *answer, struct data_scan *scan, struct error *err)
{
    struct central_row row;
    struct data_scan begin = *scan;
    struct error why;
    enum data_taken taken = data_row_take(&answer->reader, scan, &row, &why);
    if (taken == DATA_WRONG)
        return wrong(answer, &begin, err, why.text);
    if (taken != DATA_TAKEN)
        return taken;
    answer->state = AT_ROW_COMMA;
    return add_row(answer, &begin, &row, err);
}

/* ---- the other members --------------------------------------------------------------------------------- */

/* The end of a string, which begins here; NULL: it has not come yet. */
static const char *string_end(const struct data_scan *scan)
{
    for (const char *at = scan->at + 1; at < scan->end; at++) {
        if (*at == '"')
            return at + 1;
        at += *at == '\\';
    }
    return NULL;
}

/* The end of a number or a word: what stands behind it has come. */
static const char *word_end(const struct data_scan *scan)
{
    for (const char *at = scan->at; at < scan->end; at++)
        if (strchr(" \t\r\n,}]", *at) != NULL)
            return at;
    return NULL;
}

static enum data_taken take_scalar(struct data_answer *answer, struct data_scan *scan, struct view *out,
                                   struct error *err)
{
    const char *end = *scan->at == '"' ? string_end(scan) : word_end(scan);
    size_t size = (size_t)((end == NULL ? scan->end : end) - scan->at);
    if (size > DATA_ANSWER_ITEM_BYTES)
        return wrong(answer, scan, err, "a member is longer than 1024 bytes");
    if (end == NULL)
        return DATA_NEED_MORE;
    *out = (struct view){scan->at, size};
    scan->at = end;
    return DATA_TAKEN;
}

static bool seen_before(struct data_answer *answer, const char *name, struct error *err)
{
    enum member member = 0;
    while (member < MEMBERS && strcmp(member_names[member], name) != 0)
        member++;
    answer->member = member;
    if (member != OTHER) {
        bool before = (answer->seen & 1U << member) != 0;
        answer->seen |= 1U << member;
        return before;
    }
    for (size_t i = 0; i < answer->others; i++)
        if (strcmp(answer->other_names[i], name) == 0)
            return true;
    if (answer->others == OTHERS_MAX) {
        error_set(err, ERR_LIMIT, "more than %d unknown members", OTHERS_MAX);
        return true;
    }
    memcpy(answer->other_names[answer->others++], name, OTHER_NAME_BYTES);
    return false;
}

static enum data_taken take_name(struct data_answer *answer, struct data_scan *scan, struct error *err)
{
    struct data_scan begin = *scan;
    if (*scan->at != '"')
        return wrong(answer, scan, err, "expected the name of a member");
    struct view text;
    enum data_taken taken = take_scalar(answer, scan, &text, err);
    if (taken != DATA_TAKEN)
        return taken;
    SCOPE_JSON struct json *json = json_parse(text, DATA_ANSWER_ITEM_BYTES, NULL);
    char name[OTHER_NAME_BYTES] = {0};
    if (json == NULL || !json_get_string(json_root(json), name, sizeof(name)))
        return wrong(answer, &begin, err, "not the name of a member");
    if (seen_before(answer, name, err))
        return wrong(answer, &begin, err, "a member comes twice, or too many unknown ones");
    answer->state = AT_COLON;
    return DATA_TAKEN;
}

/* Some write whole seconds. */
static bool about(int64_t a_us, int64_t b_us)
{
    return a_us - b_us < US_PER_S && b_us - a_us < US_PER_S;
}

static bool time_is(struct json_value value, int64_t want_us)
{
    char text[64];
    int64_t time_us;
    return json_get_string(value, text, sizeof(text)) && rfc3339_parse_us(view_of(text), &time_us) &&
           about(time_us, want_us);
}

/* NULL: it is what it must be. */
static const char *check_value(struct data_answer *answer, struct json_value value)
{
    switch (answer->member) {
    case FROM:
        return time_is(value, answer->asked.from_us) ? NULL : "`from` is not what was asked for";
    case TO:
        return time_is(value, answer->asked.to_us) ? NULL : "`to` is not what was asked for";
    case TRUNCATED:
        return json_get_bool(value, &answer->truncated) ? NULL : "`truncated`: expected true or false";
    case COUNT:
        return json_get_i64(value, 0, INT64_MAX, &answer->count) ? NULL : "`count`: expected a whole number";
    default:
        return NULL;
    }
}

static enum data_taken take_value_of_member(struct data_answer *answer, struct data_scan *scan,
                                            struct error *err)
{
    struct data_scan begin = *scan;
    if (answer->member == ROWS) {
        if (*scan->at != '[')
            return wrong(answer, scan, err, "`rows`: expected an array");
        scan->at++;
        answer->state = AT_FIRST_ROW;
        return DATA_TAKEN;
    }
    struct view text;
    enum data_taken taken = take_scalar(answer, scan, &text, err);
    if (taken != DATA_TAKEN)
        return taken;
    struct error why;
    SCOPE_JSON struct json *json = json_parse(text, DATA_ANSWER_ITEM_BYTES, &why);
    if (json == NULL)
        return wrong(answer, &begin, err, why.text);
    const char *problem = check_value(answer, json_root(json));
    if (problem != NULL)
        return wrong(answer, &begin, err, problem);
    answer->state = AT_COMMA;
    return DATA_TAKEN;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* One of two bytes, each with the state behind it. */
static enum data_taken take_byte(struct data_answer *answer, struct data_scan *scan, const char bytes[2],
                                 enum state first, enum state second, struct error *err)
{
    if (*scan->at == bytes[0])
        answer->state = first;
    else if (*scan->at == bytes[1])
        answer->state = second;
    else
        return wrong(answer, scan, err, "this is not the JSON of readings");
    scan->at++;
    return DATA_TAKEN;
}

static enum data_taken step(struct data_answer *answer, struct data_scan *scan, struct error *err)
{
    switch (answer->state) {
    case AT_START:
        return take_byte(answer, scan, "{{", AT_FIRST_NAME, AT_FIRST_NAME, err);
    case AT_FIRST_NAME:
        if (*scan->at == '}')
            return take_byte(answer, scan, "}}", AT_END, AT_END, err);
        return take_name(answer, scan, err);
    case AT_NAME:
        return take_name(answer, scan, err);
    case AT_COLON:
        return take_byte(answer, scan, "::", AT_VALUE, AT_VALUE, err);
    case AT_VALUE:
        return take_value_of_member(answer, scan, err);
    case AT_COMMA:
        return take_byte(answer, scan, ",}", AT_NAME, AT_END, err);
    case AT_FIRST_ROW:
        if (*scan->at == ']')
            return take_byte(answer, scan, "]]", AT_COMMA, AT_COMMA, err);
        return take_row(answer, scan, err);
    case AT_ROW:
        return take_row(answer, scan, err);
    case AT_ROW_COMMA:
        return take_byte(answer, scan, ",]", AT_ROW, AT_COMMA, err);
    case AT_END:
        break;
    }
    return wrong(answer, scan, err, "bytes behind the answer");
}

/* As much of the window as is whole. */
static bool parse_window(struct data_answer *answer, struct error *err)
{
    struct data_scan scan = {answer->window, answer->window + answer->size};
    memset(answer->window + answer->size, 0, DATA_SCAN_PAD_BYTES);
    enum data_taken taken = DATA_TAKEN;
    skip_blanks(&scan);
    while (scan.at < scan.end && taken == DATA_TAKEN) {
        taken = step(answer, &scan, err);
        if (taken == DATA_TAKEN)
            skip_blanks(&scan);
    }
    if (taken == DATA_WRONG)
        return false;
    size_t used = (size_t)(scan.at - answer->window);
    memmove(answer->window, scan.at, answer->size - used);
    answer->size -= used;
    answer->gone_bytes += used;
    return true;
}

bool data_answer_feed(struct data_answer *answer, struct view piece, struct error *err)
{
    while (piece.size > 0) {
        size_t size = WINDOW_BYTES - answer->size;
        if (size > piece.size)
            size = piece.size;
        memcpy(answer->window + answer->size, piece.data, size);
        answer->size += size;
        piece.data += size;
        piece.size -= size;
        if (!parse_window(answer, err))
            return false;
    }
    return true;
}

bool data_answer_end(struct data_answer *answer, struct error *err)
{
    const unsigned needed = 1U << TRUNCATED | 1U << COUNT | 1U << ROWS;
    if (answer->state != AT_END || answer->size > 0)
        return error_set(err, ERR_PROTOCOL, "the answer ends too early");
    if ((answer->seen & needed) != needed)
        return error_set(err, ERR_PROTOCOL, "the answer lacks `truncated`, `count` or `rows`");
    if ((uint64_t)answer->count != answer->row_count)
        return error_set(err, ERR_PROTOCOL, "`count` says %lld, but there are %zu rows",
                         (long long)answer->count, answer->row_count);
    return true;
}

bool data_answer_truncated(const struct data_answer *answer)
{
    return answer->truncated;
}

size_t data_answer_row_count(const struct data_answer *answer)
{
    return answer->row_count;
}

const struct central_row *data_answer_rows(const struct data_answer *answer)
{
    return answer->rows;
}

struct central_row *data_answer_take_rows(struct data_answer *answer, size_t *count)
{
    struct central_row *rows = answer->rows;
    *count = answer->row_count;
    answer->rows = NULL;
    answer->row_count = 0;
    answer->row_capacity = 0;
    return rows;
}
