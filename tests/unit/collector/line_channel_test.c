#include "collector/line_channel.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct line_point point;

/* The name of the line's first field; "" when there can be none. */
static const char *name_of(const char *line)
{
    static char text[RECORD_CHANNEL_BYTES];
    struct line_channel channel;
    struct view name;
    struct error err;
    if (!line_parse(view_of(line), &point, &err))
        fail_msg("%s: %s", line, err.text);
    line_channel_begin(&channel, &point);
    if (!line_channel_name(&channel, point.fields[0].key, &name))
        return "";
    snprintf(text, sizeof(text), "%.*s", VIEW_ARG(name));
    return text;
}

static void a_name_is_made_of_measurement_field_and_sorted_tags(void **state)
{
    (void)state;
    static const struct {
        const char *line, *name;
    } table[] = {
        {"mem used=1", "mem.used"},
        {"cpu,host=a usage_idle=9", "cpu.usage_idle{host=a}"},
        {"cpu,host=a,cpu=cpu0 usage_idle=9", "cpu.usage_idle{cpu=cpu0,host=a}"},
        {"disk,path=/var/my\\ data used=1", "disk.used{path=/var/my data}"},
        {"a.b c.d=1", "a\\.b.c.d"},
        {"a b{c}=1", "a.b\\{c}"},
        {"a,k=v} b=1", "a.b{k=v\\}}"},
        {"a,k=v\\,w b=1", "a.b{k=v\\,w}"},
        {"a,k\\=j=v b=1", "a.b{k\\=j=v}"},
        {"a,k=v\\=w b=1", "a.b{k=v=w}"},
        {"a\\b,k=\\v c\\d=1", "a\\\\b.c\\\\d{k=\\\\v}"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_string_equal(name_of(table[i].line), table[i].name);
}

/* Each a different series; without escapes several would get one name. */
static void different_series_have_different_names(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "a.b c=1",       "a b.c=1",           "a,k=v b=1",           "a b{k\\=v}=1",
        "a,k=v,l=w b=1", "a,k=v\\,l\\=w b=1", "a,k=v\\\\,l\\=w b=1", "a,k\\=v=l b=1",
        "a,k=v\\=l b=1", "a\\\\.b c=1",       "a,k=v}{l\\=w b=1",    "a,k=v} b=1",
        "a\\b c=1",      "a\\\\b c=1",
    };
    char names[COUNT_OF(lines)][RECORD_CHANNEL_BYTES];
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        snprintf(names[i], sizeof(names[i]), "%s", name_of(lines[i]));
        assert_true(names[i][0] != '\0');
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0)
                fail_msg("%s and %s are both %s", lines[i], lines[j], names[i]);
        }
    }
}

static void a_name_that_is_too_long_is_refused_not_cut(void **state)
{
    (void)state;
    char line[512];
    for (int size = 120; size < 300; size++) {
        snprintf(line, sizeof(line), "%0*d v=1", size, 0);
        assert_int_equal(name_of(line)[0] != '\0', size + 2 < RECORD_CHANNEL_BYTES);
        snprintf(line, sizeof(line), "m,k=%0*d v=1", size, 0);
        assert_int_equal(name_of(line)[0] != '\0', size + 7 < RECORD_CHANNEL_BYTES);
        snprintf(line, sizeof(line), "m %0*d=1", size, 0);
        assert_int_equal(name_of(line)[0] != '\0', size + 2 < RECORD_CHANNEL_BYTES);
    }
}

static void one_point_names_all_its_fields(void **state)
{
    (void)state;
    struct line_channel channel;
    struct view name;
    struct error err;
    assert_true(line_parse(view_of("cpu,host=a idle=9,busy_and_long=1,x=2"), &point, &err));
    line_channel_begin(&channel, &point);
    assert_true(line_channel_name(&channel, point.fields[1].key, &name));
    assert_true(view_is(name, "cpu.busy_and_long{host=a}"));
    assert_true(line_channel_name(&channel, point.fields[2].key, &name));
    assert_true(view_is(name, "cpu.x{host=a}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_made_of_measurement_field_and_sorted_tags),
        cmocka_unit_test(different_series_have_different_names),
        cmocka_unit_test(a_name_that_is_too_long_is_refused_not_cut),
        cmocka_unit_test(one_point_names_all_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
