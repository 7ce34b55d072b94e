/* Virtual time, see vtime.c. */
#ifndef VX6_TESTS_VTIME_H
#define VX6_TESTS_VTIME_H

#include <stdint.h>

/** It begins at some time that is not 0, and passes only while the loop has nothing to do. */
uint64_t vtime_ms(void);

#endif
