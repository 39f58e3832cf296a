/* config.txt: any bytes are a config or an error that names its line; a config that was read can be written
 * anew, value by value, and then reads the same. */
#include <stdint.h>
#include <stdlib.h>

#include "common/app/appliance.h"
#include "common/app/appliance_keys.h"

enum { MESSAGE_MIN_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool parse(struct view text, bool strict, struct appliance_config *out, struct error *err)
{
    const struct config_file file = {appliance_keys, appliance_key_count, strict, NULL, NULL};
    *out = (struct appliance_config){0};
    return config_parse(&file, "/nowhere/config.txt", text, out, err);
}

static void clear(struct appliance_config *config)
{
    const struct config_file file = {appliance_keys, appliance_key_count, false, NULL, NULL};
    config_clear(&file, config);
}

/* Every text that passed is one that fits and ends. */
static void look_at(const struct appliance_config *config)
{
    for (size_t i = 0; i < appliance_key_count; i++) {
        const struct config_key *key = &appliance_keys[i];
        const void *value = (const char *)config + key->offset;
        if (key->kind == CONFIG_NUMBER)
            must(*(const int64_t *)value >= key->min && *(const int64_t *)value <= key->max);
        else if (key->kind == CONFIG_TEXT || key->kind == CONFIG_PATH || key->kind == CONFIG_CUSTOM)
            must(memchr(value, '\0', CONFIG_TEXT_BYTES) != NULL);
    }
    must(config->inputs.count > 0);
}

static void write_lines(struct buf *out, const char *key, const struct config_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        must(memchr(lines->lines[i], '\0', CONFIG_TEXT_BYTES) != NULL);
        must(i == 0 || lines->line_numbers[i] > lines->line_numbers[i - 1]);
        buf_printf(out, "%s = %s\n", key, lines->lines[i]);
    }
}

static void compare_lines(const struct config_lines *a, const struct config_lines *b)
{
    must(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        must(strcmp(a->lines[i], b->lines[i]) == 0);
}

static void walk_words(const char *line)
{
    struct view rest = view_of(line);
    struct view word;
    struct view key;
    struct view value;
    size_t size = 0;
    while (config_next_word(&rest, &word)) {
        must(word.size > 0);
        size += word.size;
        if (config_word_pair(word, &key, &value))
            must(key.size > 0 && key.size + value.size < word.size);
    }
    must(size <= strlen(line));
}

static void read_again(const struct appliance_config *config)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(2 * CONFIG_MAX_BYTES);
    write_lines(&text, "INPUT", &config->inputs);
    write_lines(&text, "CHANNEL", &config->channels);
    write_lines(&text, "SERVICE", &config->services);
    for (size_t i = 0; i < config->channels.count; i++)
        walk_words(config->channels.lines[i]);
    struct appliance_config again;
    struct error err;
    must(parse(buf_view(&text), true, &again, &err));
    compare_lines(&config->inputs, &again.inputs);
    compare_lines(&config->channels, &again.channels);
    compare_lines(&config->services, &again.services);
    clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > CONFIG_MAX_BYTES)
        return 0;
    struct view text = {(const char *)data, size};
    struct appliance_config config;
    struct error err = {0};
    bool read = parse(text, false, &config, &err);
    if (read) {
        look_at(&config);
        read_again(&config);
        clear(&config);
    } else {
        must(strlen(err.text) >= MESSAGE_MIN_BYTES && (err.code == ERR_USAGE || err.code == ERR_MEMORY));
    }
    if (parse(text, true, &config, &err)) {
        must(read); /* what is strictly right is right */
        clear(&config);
    }
    return 0;
}
