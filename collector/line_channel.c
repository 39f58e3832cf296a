#include "collector/line_channel.h"

enum { NAME_MAX_BYTES = RECORD_CHANNEL_BYTES - 1 };

/* A part of a name that is being written; what does not fit makes `fits` false. */
struct part {
    char *out;
    size_t size;
    bool fits;
};

static void put(struct part *part, char byte)
{
    part->fits = part->fits && part->size < NAME_MAX_BYTES;
    if (part->fits)
        part->out[part->size++] = byte;
}

/* ends: what ends this part of the name. */
static void put_text(struct part *part, struct view text, const char *ends)
{
    char plain[RECORD_CHANNEL_BYTES * 2]; /* every byte may have an escape in front */
    if (text.size > sizeof(plain)) {
        part->fits = false;
        return;
    }
    size_t size = line_unescape(plain, text);
    for (size_t i = 0; i < size; i++) {
        if (plain[i] == '\\' || (plain[i] != '\0' && strchr(ends, plain[i]) != NULL))
            put(part, '\\');
        put(part, plain[i]);
    }
}

void line_channel_begin(struct line_channel *channel, const struct line_point *point)
{
    struct part name = {.out = channel->name, .fits = true};
    struct part tags = {.out = channel->tags, .fits = true};
    put_text(&name, point->measurement, ".");
    put(&name, '.');
    for (size_t i = 0; i < point->tag_count; i++) {
        put(&tags, i == 0 ? '{' : ',');
        put_text(&tags, point->tags[i].key, "=");
        put(&tags, '=');
        put_text(&tags, point->tags[i].value, ",}");
    }
    if (point->tag_count > 0)
        put(&tags, '}');
    channel->size = name.size;
    channel->tags_size = tags.size;
    channel->fits = name.fits && tags.fits;
}

bool line_channel_name(struct line_channel *channel, struct view field, struct view *out)
{
    struct part name = {.out = channel->name, .size = channel->size, .fits = channel->fits};
    put_text(&name, field, "{");
    if (!name.fits || name.size + channel->tags_size > NAME_MAX_BYTES)
        return false;
    memcpy(channel->name + name.size, channel->tags, channel->tags_size);
    *out = (struct view){channel->name, name.size + channel->tags_size};
    return true;
}
