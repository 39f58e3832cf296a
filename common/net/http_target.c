#include "common/net/http_target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

/* Decodes in place; false for a broken encoding or what no text may contain. */
static bool decode(char *text, bool plus_is_blank)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        unsigned char byte = (unsigned char)*in;
        if (byte == '+' && plus_is_blank) {
            byte = ' ';
        } else if (byte == '%') {
            if (in[1] == '\0' || !text_hex_decode((struct view){in + 1, 2}, &byte, 1))
                return false;
            in += 2;
        }
        if (byte < 0x20 || byte == 0x7f)
            return false;
        *out++ = (char)byte;
    }
    *out = '\0';
    return text_is_utf8(view_of(text));
}

static bool add_parameter(struct http_target *target, char *piece, struct error *err)
{
    if (target->parameter_count == HTTP_MAX_PARAMETERS)
        return error_set(err, ERR_LIMIT, "more than %d query parameters", HTTP_MAX_PARAMETERS);
    char *value = strchr(piece, '=');
    if (value != NULL)
        *value++ = '\0';
    else
        value = piece + strlen(piece);
    if (!decode(piece, true) || (value > piece && !decode(value, true)))
        return error_set(err, ERR_INPUT, "a query parameter is not valid percent-encoded UTF-8 text");
    if (*piece == '\0')
        return error_set(err, ERR_INPUT, "a query parameter has no name");
    if (http_target_parameter(target, piece) != NULL)
        return error_set(err, ERR_INPUT, "the query parameter %s is given twice", piece);
    target->parameters[target->parameter_count++] = (struct http_parameter){piece, value};
    return true;
}

static bool parse_query(struct http_target *target, char *query, struct error *err)
{
    while (query != NULL) {
        char *next = strchr(query, '&');
        if (next != NULL)
            *next++ = '\0';
        if (*query != '\0' && !add_parameter(target, query, err))
            return false;
        query = next;
    }
    return true;
}

/* target->text: the raw target, decoded where it lies. */
static bool take_apart(struct http_target *target, struct error *err)
{
    char *query = strchr(target->text, '?');
    if (query != NULL)
        *query++ = '\0';
    target->path = target->text;
    if (!decode(target->text, false))
        return error_set(err, ERR_INPUT, "the path is not valid percent-encoded UTF-8 text");
    return parse_query(target, query, err);
}

bool http_target_parse(struct http_target *out, const char *raw, struct error *err)
{
    if (strnlen(raw, HTTP_MAX_URL_BYTES + 1) > HTTP_MAX_URL_BYTES)
        return error_set(err, ERR_LIMIT, "the target is longer than %d bytes", HTTP_MAX_URL_BYTES);
    if (raw[0] != '/' || strchr(raw, '#') != NULL)
        return error_set(err, ERR_INPUT, "the target is not a path");
    struct http_target target = {.text = strdup(raw)};
    if (target.text == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a target");
    if (!take_apart(&target, err)) {
        http_target_clear(&target);
        return false;
    }
    *out = target;
    return true;
}

void http_target_clear(struct http_target *target)
{
    free(target->text);
    *target = (struct http_target){0};
}

const char *http_target_parameter(const struct http_target *target, const char *name)
{
    for (size_t i = 0; i < target->parameter_count; i++) {
        if (strcmp(target->parameters[i].name, name) == 0)
            return target->parameters[i].value;
    }
    return NULL;
}
