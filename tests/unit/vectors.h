/**
 * @file vectors.h
 * What the unit tests of the lower layers share: reading schemas/vectors, and checks of vx6_err.
 */
#ifndef VX6_TESTS_UNIT_VECTORS_H
#define VX6_TESTS_UNIT_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "base/err.h"

/** The vectors of schemas/vectors/NAME.json; the test fails when there are none. Free with vec_free(). */
cJSON *vec_load(const char *name);
void vec_free(cJSON *vectors);
/**
 * Vectors of others, not part of the project: NAME.json in the directory that VX6_MORE_VECTORS names. Says so and skips the test when it
 * is not there. @return its member @p field; vec_free()
 */
cJSON *vec_published(const char *name, const char *field);
/** The vector of that name. */
const cJSON *vec_find(const cJSON *vectors, const char *name);

const char *vec_text(const cJSON *v, const char *field);
/** A number, or a string of decimal digits for what JSON numbers cannot hold. */
uint64_t vec_num(const cJSON *v, const char *field);
/** Hexadecimal; must fit @p cap. @return bytes */
size_t vec_hex(const cJSON *v, const char *field, uint8_t *out, size_t cap);
/** The same of item @p i of a list. */
size_t vec_hex_at(const cJSON *v, const char *field, int i, uint8_t *out, size_t cap);

#define VEC_EACH(v, vectors) for (const cJSON *v = (vectors)->child; v; v = v->next)

/** A heap copy of exactly @p n bytes, so that the address sanitizer sees a read beyond. free() it. */
uint8_t *exact_copy(const void *p, size_t n);

#define assert_ok(expr) assert_string_equal(vx6_err_name(expr), "ok")
#define assert_err(expr, symbol)                                                                   \
	assert_string_equal(vx6_err_name(expr), vx6_err_name(VX6_ERR(symbol)))
#define assert_fails(expr) assert_string_not_equal(vx6_err_name(expr), "ok")

#endif
