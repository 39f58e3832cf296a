/* Compiler attributes under short names. Knows nothing else. */
#ifndef COMMON_BASE_ATTR_H
#define COMMON_BASE_ATTR_H

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((__format__(__printf__, at, first)))
#define COUNT_OF(array)        (sizeof(array) / sizeof((array)[0]))

#endif
