/* The reader of /data answers: what comes in one piece comes in many, byte for byte the same, and by the fast
 * way as by the strict one. */
#include <stdint.h>
#include <stdlib.h>

#include "server_tools/sync_service/data_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct window asked = {1771754400000000, 1771754460000000};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct data_answer *new_answer(void)
{
    struct data_answer *answer = data_answer_new(asked, NULL);
    must(answer != NULL);
    return answer;
}

static bool feed(struct data_answer *answer, struct view text, size_t piece)
{
    for (; text.size > 0; text.data += piece, text.size -= piece) {
        if (piece > text.size)
            piece = text.size;
        if (!data_answer_feed(answer, (struct view){text.data, piece}, NULL))
            return false;
    }
    return data_answer_end(answer, NULL);
}

static void check_rows(const struct central_row *rows, size_t count)
{
    int64_t newest_us = asked.from_us;
    for (size_t i = 0; i < count; i++) {
        must(rows[i].time_us >= newest_us && rows[i].time_us < asked.to_us && rows[i].channel_id >= 0);
        newest_us = rows[i].time_us;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = {(const char *)data, size};
    struct data_answer *whole = new_answer();
    struct data_answer *cut = new_answer();
    bool taken = feed(whole, text, size > 0 ? size : 1);
    must(feed(cut, text, 1 + size % 5) == taken);
    if (taken) {
        size_t count, cut_count;
        must(data_answer_truncated(whole) == data_answer_truncated(cut));
        struct central_row *rows = data_answer_take_rows(whole, &count);
        struct central_row *cut_rows = data_answer_take_rows(cut, &cut_count);
        must(count == cut_count);
        check_rows(rows, count);
        for (size_t i = 0; i < count; i++)
            must(rows[i].time_us == cut_rows[i].time_us && rows[i].channel_id == cut_rows[i].channel_id &&
                 memcmp(&rows[i].value, &cut_rows[i].value, sizeof(double)) == 0);
        free(rows);
        free(cut_rows);
    }
    data_answer_free(whole);
    data_answer_free(cut);
    return 0;
}
