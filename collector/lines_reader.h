/* Bytes of a socket or a pipe -> whole lines -> samples: line protocol, or one number a line. Knows nothing
 * of who sends and of when. Threads: one at a time.
 *
 * What is refused (a line that is none, a name that is too long, a time that cannot be) is counted, handed to
 * the stream with its reason, and said in the log once; so are texts, which are left out. */
#ifndef COLLECTOR_LINES_READER_H
#define COLLECTOR_LINES_READER_H

#include "collector/input.h"
#include "collector/line_channel.h"

enum {
    LINES_READ_BYTES = 64 * 1024, /* of one sender at a time, so that the others get their turn */
    LINES_UNENDED_A_READ = 4,  /* too long for want of a quote: behind more of them all that was read goes */
    LINES_MAX_CHANNELS = 1000, /* by default */
};

/* What a line's timestamp counts. Their names: LINES_PRECISIONS. */
enum lines_precision { LINES_NS, LINES_US, LINES_MS, LINES_S, LINES_AUTO };
#define LINES_PRECISIONS "ns|us|ms|s|auto"

struct lines_options {
    int precision; /* enum lines_precision */
    uint64_t max_channels;
    char channel[RECORD_CHANNEL_BYTES]; /* one number a line, and this is its channel; "": line protocol */
};

struct lines_reader {
    struct lines_options options;
    const struct log *log;             /* borrowed */
    const struct input_stream *stream; /* borrowed */
    uint64_t texts, refused_lines;
    bool text_said, refusal_said;
    int64_t now_us; /* of this read: the time of points without one */
    struct line_point point;
    struct line_channel channel;
    char bytes[LINES_READ_BYTES + LINE_MAX_BYTES];
};

/* What one sender has sent and was not taken yet: the beginning of a line, or lines that there was no room
 * for. Zeroed: nothing. */
struct lines_rest {
    char *data;
    size_t size;
    bool skipping; /* the rest of a line that is too long */
};
void lines_rest_clear(struct lines_rest *rest);

enum lines_result {
    LINES_TAKEN, /* what there was */
    LINES_HELD,  /* no room: read no more, call lines_reader_go_on when there is */
    LINES_EMPTY, /* nothing to read now */
    LINES_END,   /* the sender has closed, or the connection failed */
};
/* Reads once from fd, which does not block, and takes the whole lines. */
enum lines_result lines_reader_read(struct lines_reader *reader, struct lines_rest *rest, int fd);
/* Takes what was held. */
enum lines_result lines_reader_go_on(struct lines_reader *reader, struct lines_rest *rest);
/* The sender has ended: a last line without LF is taken when it may be whole, else refused. */
void lines_reader_finish(struct lines_reader *reader, struct lines_rest *rest, bool may_be_whole);

#endif
