/* KEY = value files: `#` comments, also behind a value; a value in "..." may have blanks at its ends and `#`
 * inside; one table feeds the parser, the defaults and the file that `updater init` writes. Knows the syntax
 * and the types, not the keys. */
#ifndef COMMON_APP_CONFIG_H
#define COMMON_APP_CONFIG_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/log.h"

enum {
    CONFIG_MAX_BYTES = 256 * 1024,
    CONFIG_LINE_BYTES = 1024,
    CONFIG_TEXT_BYTES = 512,
};

enum config_kind {
    CONFIG_TEXT,    /* char[CONFIG_TEXT_BYTES] */
    CONFIG_NUMBER,  /* int64_t */
    CONFIG_SECONDS, /* int64_t, in milliseconds: 10, 10.0 and 0.25 stand in the file */
    CONFIG_BOOL,    /* bool: yes or no */
    CONFIG_CHOICE,  /* int: index into choices */
    CONFIG_PATH,   /* char[CONFIG_TEXT_BYTES]; relative to the file's folder; a missing file stops the program
                    */
    CONFIG_REPEAT, /* struct config_lines: every value of the key, in order */
    CONFIG_CUSTOM, /* char[CONFIG_TEXT_BYTES], checked by `check` */
};

struct config_lines {
    char (*lines)[CONFIG_TEXT_BYTES];
    unsigned *line_numbers;
    size_t count;
};
enum { CONFIG_MAX_REPEATS = 4096 };

struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;             /* into the target struct */
    const char *default_value; /* as it would stand in the file; NULL: unset ("" for texts) */
    const char *help;          /* one line, written above the key by config_write_defaults */
    int64_t min, max;          /* CONFIG_NUMBER; CONFIG_SECONDS: in milliseconds */
    const char *choices;       /* CONFIG_CHOICE: "auto|yes|no" */
    /* CONFIG_CUSTOM and CONFIG_REPEAT: called for each value; says what was expected in err. */
    bool (*check)(const char *value, struct error *err);
    const char
        *example; /* of an unset key: stands behind the commented key in the written file; may be NULL */
};
enum { CONFIG_MAX_KEYS = 128 };

struct config_file {
    const struct config_key *keys;
    size_t key_count;
    bool unknown_is_error; /* --check-config; otherwise a warning in the log */
    const struct log *log; /* borrowed; may be NULL */
    /* Out, key_count of them: the line where each key stood first; 0: nowhere, or config_set was later. NULL:
     * not wanted. */
    unsigned *lines;
};

/* Sets every default, then reads the file over them. target: a zeroed struct; worthless after a failure, with
 * nothing to free. A bad value stops with
 * "config.txt:12: AGENT_PORT: expected a whole number from 1 to 65535, found `abc`" (ERR_USAGE). A key given
 * twice (but for CONFIG_REPEAT) is an error. */
bool config_read(const struct config_file *file, const char *path, void *target, struct error *err) MUST_USE;
/* The same from memory; name is for messages. */
bool config_parse(const struct config_file *file, const char *name, struct view text, void *target,
                  struct error *err) MUST_USE;
/* One key from elsewhere, e.g. the environment, over what is there (no CONFIG_PATH, no CONFIG_REPEAT).
 * origin: for messages. False with ERR_NOT_FOUND: no such key. */
bool config_set(const struct config_file *file, const char *origin, const char *key, struct view value,
                void *target, struct error *err) MUST_USE;
void config_clear(const struct config_file *file, void *target); /* frees the repeats */

/* Every key at its default with its line of explanation; unset ones commented out. */
void config_write_defaults(const struct config_file *file, struct buf *out);

/* `name key=value key="two words"`: cuts the next word; blanks inside "..." do not end it, and the quotes
 * stay in the word. False at the end. */
bool config_next_word(struct view *rest, struct view *word);
/* The inside of "..." when the word is quoted as a whole; else the word. */
struct view config_unquote(struct view word);
/* A word of the form key=value: its two sides, the value without its quotes. False: it is none. */
bool config_word_pair(struct view word, struct view *key, struct view *value) MUST_USE;

#endif
