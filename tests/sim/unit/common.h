/* What the tests of the engine include. */
#ifndef SIM_UNIT_COMMON_H
#define SIM_UNIT_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
