/* What a program may ask of tests/fault/torture.c. Without that library the functions are not there (NULL):
 * nothing fails. */
#ifndef TESTS_FAULT_TORTURE_H
#define TESTS_FAULT_TORTURE_H

/* With TORTURE_MARKS only the calls between these two count. */
__attribute__((weak)) void torture_begin(void);
__attribute__((weak)) void torture_end(void);

/* The kind of call that fails ("memory", "write" ...); "" when none does. */
__attribute__((weak)) const char *torture_kind(void);
/* How many were made to fail so far. */
__attribute__((weak)) unsigned long torture_failed(void);

#endif
