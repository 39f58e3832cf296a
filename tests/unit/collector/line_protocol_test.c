#include "collector/line_protocol.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/text.h"

static struct line_point point;

static struct view unescaped(struct view text)
{
    static char out[8][256];
    static size_t next;
    char *to = out[next++ % COUNT_OF(out)];
    return (struct view){to, line_unescape(to, text)};
}

/* `measurement|key=value|...||name=number|name=text|...|time`, all without escapes. */
static const char *shown(void)
{
    static char text[4096];
    SCOPE_BUF struct buf out = BUF_LIMIT(sizeof(text) - 1);
    buf_append_view(&out, unescaped(point.measurement));
    for (size_t i = 0; i < point.tag_count; i++)
        buf_printf(&out, "|%.*s=%.*s", VIEW_ARG(unescaped(point.tags[i].key)),
                   VIEW_ARG(unescaped(point.tags[i].value)));
    buf_append_text(&out, "|");
    for (size_t i = 0; i < point.field_count; i++) {
        buf_printf(&out, "|%.*s=", VIEW_ARG(unescaped(point.fields[i].key)));
        if (point.fields[i].is_text)
            buf_append_text(&out, "text");
        else
            buf_printf(&out, "%.17g", point.fields[i].value);
    }
    if (point.has_time)
        buf_printf(&out, "|%lld", (long long)point.time);
    snprintf(text, sizeof(text), "%s", buf_text(&out));
    return text;
}

static void lines_and_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } table[] = {
        {"cpu usage=1.5", "cpu||usage=1.5"},
        {"cpu,host=a,cpu=0 usage=1.5,idle=2i 1771754700000000000",
         "cpu|cpu=0|host=a||usage=1.5|idle=2|1771754700000000000"},
        {"cpu,b=1,c=2,a=3 v=1", "cpu|a=3|b=1|c=2||v=1"},
        {"m v=1\r", "m||v=1"},
        {"  m   v=1   5  ", "m||v=1|5"},
        {"m v=1 ", "m||v=1"},
        {"m v=1 -5", "m||v=1|-5"},
        /* numbers */
        {"m a=0,b=-0.5,c=1e3,d=1.,e=.5,f=+1,g=1E-3", "m||a=0|b=-0.5|c=1000|d=1|e=0.5|f=1|g=0.001"},
        {"m a=9223372036854775807i,b=-9223372036854775808i",
         "m||a=9.2233720368547758e+18|b=-9.2233720368547758e+18"},
        {"m a=18446744073709551615u,b=0u", "m||a=1.8446744073709552e+19|b=0"},
        {"m a=9007199254740993i", "m||a=9007199254740992"},
        {"m a=0.1,b=5e-324,c=1.7976931348623157e308",
         "m||a=0.10000000000000001|b=4.9406564584124654e-324|c=1.7976931348623157e+308"},
        {"m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE",
         "m||a=1|b=1|c=1|d=1|e=1|f=0|g=0|h=0|i=0|j=0"},
        /* texts */
        {"m a=\"x\",b=1", "m||a=text|b=1"},
        {"m a=\"\",b=\"a,b=c d\",c=\"q\\\"q\",d=\"back\\\\\" 7", "m||a=text|b=text|c=text|d=text|7"},
        {"m a=\"two\nlines\",b=1", "m||a=text|b=1"},
        /* escapes */
        {"my\\ m\\,x,t\\ k=v\\,\\=v f\\=f=1", "my m,x|t k=v,=v||f=f=1"},
        {"m=m,a=b v=1", "m=m|a=b||v=1"},
        {"a\\b,c\\d=e\\f g\\h=1", "a\\b|c\\d=e\\f||g\\h=1"},
        {"m,a=\"quoted\" v=1", "m|a=\"quoted\"||v=1"},
        {"m\\\\,a=b v=1", "m\\,a=b||v=1"}, /* the second one escapes */
        {"\xd1\x82\xd0\xb5\xd0\xbc\xd0\xbf,\xd0\xb3=\xd1\x83 v=1",
         "\xd1\x82\xd0\xb5\xd0\xbc\xd0\xbf|\xd0\xb3=\xd1\x83||v=1"},
        {"m v=1,v=2", "m||v=1|v=2"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err;
        if (!line_parse(view_of(table[i].line), &point, &err))
            fail_msg("%s: %s", table[i].line, err.text);
        assert_string_equal(shown(), table[i].says);
    }
}

static void what_is_no_line_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } table[] = {
        {"", "byte 1: expected a measurement's name"},
        {",a=b v=1", "byte 1: expected a measurement's name"},
        {"cpu", "byte 4: expected a blank and a field"},
        {"cpu ", "byte 5: expected a field as name=value"},
        {"cpu, v=1", "byte 5: expected a tag as key=value"},
        {"cpu,a v=1", "byte 6: expected a tag as key=value"},
        {"cpu,=b v=1", "byte 5: expected a tag as key=value"},
        {"cpu,a= v=1", "byte 7: expected a tag's value"},
        {"cpu,a=b=c v=1", "byte 8: expected a tag's value"},
        {"cpu,a=b,a=c v=1", "expected each tag once"},
        {"cpu,a=b,c=d,a\\=x=1,a=e v=1", "expected each tag once"},
        {"cpu v", "byte 6: expected a field as name=value"},
        {"cpu =1", "byte 5: expected a field as name=value"},
        {"cpu v=", "byte 7: expected a number"},
        {"cpu v=1,", "byte 9: expected a field as name=value"},
        {"cpu v=x", "byte 7: expected a number"},
        {"cpu v=NaN", "byte 7: expected a number"},
        {"cpu v=inf", "byte 7: expected a number"},
        {"cpu v=1e999", "byte 7: expected a number"},
        {"cpu v=0x10", "byte 7: expected a number"},
        {"cpu v=i", "byte 7: expected a number"},
        {"cpu v=1.5i", "byte 7: expected a number"},
        {"cpu v=-1u", "byte 7: expected a number"},
        {"cpu v=9223372036854775808i", "byte 7: expected a number"},
        {"cpu v=18446744073709551616u", "byte 7: expected a number"},
        {"cpu v=tRUE", "byte 7: expected a number"},
        {"cpu v=\"open", "expected a \" that ends the text"},
        {"cpu v=\"open\\\"", "expected a \" that ends the text"},
        {"cpu v=\"a\"b", "expected a timestamp"},
        {"cpu v=1 x", "byte 9: expected a timestamp"},
        {"cpu v=1 1.5", "byte 9: expected a timestamp"},
        {"cpu v=1 1 2", "byte 9: expected a timestamp"},
        {"cpu v=1 9223372036854775808", "byte 9: expected a timestamp"},
        {"cpu v=1\tx=2", "byte 7: expected a number"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err = {0};
        if (line_parse(view_of(table[i].line), &point, &err))
            fail_msg("%s was taken", table[i].line);
        assert_int_equal(err.code, ERR_INPUT);
        if (strstr(err.text, table[i].says) == NULL)
            fail_msg("%s: %s", table[i].line, err.text);
    }
}

static void lines_are_bounded(void **state)
{
    (void)state;
    struct error err;
    SCOPE_BUF struct buf line = BUF_LIMIT(2 * LINE_MAX_BYTES);
    for (int tags = 63; tags <= 65; tags++) {
        buf_reset(&line);
        buf_append_text(&line, "m");
        for (int i = 0; i < tags; i++)
            buf_printf(&line, ",t%02d=v", i);
        buf_append_text(&line, " v=1");
        assert_int_equal(line_parse(buf_view(&line), &point, &err), tags <= LINE_MAX_TAGS);
    }
    for (int fields = 1023; fields <= 1025; fields++) {
        buf_reset(&line);
        buf_append_text(&line, "m f=1");
        for (int i = 1; i < fields; i++)
            buf_append_text(&line, ",f=1");
        assert_int_equal(line_parse(buf_view(&line), &point, &err), fields <= LINE_MAX_FIELDS);
    }
    buf_reset(&line);
    buf_append_text(&line, "m ");
    while (line.size < LINE_MAX_BYTES - 3)
        buf_append_byte(&line, 'x');
    buf_append_text(&line, "=1");
    assert_true(line_parse(buf_view(&line), &point, &err));
    buf_append_byte(&line, '1');
    assert_false(line_parse(buf_view(&line), &point, &err));
    assert_non_null(strstr(err.text, "longer than 65535 bytes"));
}

static void where_a_line_ends(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"", 0},
        {"m v=1", 0},
        {"m v=1\n", 6},
        {"\nm v=1\n", 1},
        {"m v=1\nm v=2\n", 6},
        {"m v=\"a\nb\"\nx\n", 10},
        {"m v=\"a\nb", 0},
        {"m v=\"a\\\"\nb\" 5\nx\n", 14},
        {"m v=\"a\",w=\"\n\"\n", 14},
        {"m,t=\"q v=1\nx\n", 11}, /* a quote in a tag is one of its letters */
        {"m\" v=1\nx\n", 7},      /* in a measurement too */
        {"# it's \"so\nx\n", 11}, /* and in a comment */
        {"m v=1\"\nx\n", 7},      /* no text begins behind a number */
        {"m f\\=\"=1\nx\n", 9},   /* nor behind an escaped = */
        {"nonsense\"=\"\nx\n", 12},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (line_end(view_of(table[i].bytes)) != table[i].size)
            fail_msg("%s ends at %zu", table[i].bytes, line_end(view_of(table[i].bytes)));
    }
}

static void comments_and_blanks_are_no_lines(void **state)
{
    (void)state;
    assert_true(line_is_empty(view_of("")));
    assert_true(line_is_empty(view_of("\r")));
    assert_true(line_is_empty(view_of("   ")));
    assert_true(line_is_empty(view_of("# cpu v=1")));
    assert_true(line_is_empty(view_of("  #")));
    assert_false(line_is_empty(view_of("m#x v=1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_what_they_say),
        cmocka_unit_test(what_is_no_line_says_where),
        cmocka_unit_test(lines_are_bounded),
        cmocka_unit_test(where_a_line_ends),
        cmocka_unit_test(comments_and_blanks_are_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
