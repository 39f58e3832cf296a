#include "common/app/nearest.h"

#include <ctype.h>

#include "common/base/attr.h"

enum { SHORT_NAME_BYTES = 5 }; /* shorter ones may have one slip, others two */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein: how many letters must be put in, taken out or changed. */
static unsigned edit_distance(struct view a, struct view b)
{
    unsigned row[NEAREST_NAME_BYTES + 1];
    for (unsigned j = 0; j <= b.size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.size; j++) {
            unsigned changed = diagonal + (same_letter(a.data[i - 1], b.data[j - 1]) ? 0 : 1);
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.size];
}

void nearest_offer(struct nearest *nearest, struct view asked, const char *known)
{
    struct view name = view_of(known);
    if (asked.size == 0 || asked.size > NEAREST_NAME_BYTES || name.size > NEAREST_NAME_BYTES)
        return;
    unsigned distance = edit_distance(asked, name);
    if (distance > (name.size < SHORT_NAME_BYTES ? 1 : 2))
        return;
    if (nearest->name == NULL || distance < nearest->distance)
        *nearest = (struct nearest){known, distance};
}
