#include "collector/stride_search.h"

bool stride_search(const struct stride_question *question, int64_t inside, int64_t *behind, struct error *err)
{
    int64_t outside = inside;
    bool is_inside = true;
    for (int64_t stride = 1; is_inside; stride *= 2) {
        if (inside > INT64_MAX - stride) {
            *behind = INT64_MAX;
            return true;
        }
        outside = inside + stride;
        if (!question->ask(question->context, outside, &is_inside, err))
            return false;
        if (is_inside)
            inside = outside;
    }
    while (outside - inside > 1) {
        int64_t middle = inside + (outside - inside) / 2;
        if (!question->ask(question->context, middle, &is_inside, err))
            return false;
        *(is_inside ? &inside : &outside) = middle;
    }
    *behind = outside;
    return true;
}
