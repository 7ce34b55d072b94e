/**
 * @file tree.h
 * JSON values in memory: parsed from checked text, read, merged, printed. The only user of cJSON.
 *
 * Spec:    RFC 8259, RFC 7396 (merge)
 * Layer:   api
 * Trust:   input is hostile; vx6_json_scan() comes first
 * Threads: none of its own
 */
#ifndef VX6_API_JSON_TREE_H
#define VX6_API_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json/scan.h"
#include "api/json/types.h"

struct vx6_value;

/** @param out returns owned, vx6_value_free(); NULL on failure @return VX6_OK | FORMAT | LIMIT | MEMORY */
VX6_RES vx6_value_parse(const char *p, size_t n, struct vx6_value **out,
			struct vx6_scan_fault *fault);
void vx6_value_free(struct vx6_value *v);

/** All bits of enum vx6_json_types that fit: a whole number is INTEGER and NUMBER. */
unsigned vx6_value_types(const struct vx6_value *v);
bool vx6_value_is(const struct vx6_value *v, enum vx6_json_types type);

/** Members of an object or array, in order: first, then next of each; NULL ends. */
const struct vx6_value *vx6_value_first(const struct vx6_value *v);
const struct vx6_value *vx6_value_next(const struct vx6_value *v);
size_t vx6_value_count(const struct vx6_value *v);
/** The key under which @p v is in its object; NULL in an array. */
const char *vx6_value_key(const struct vx6_value *v);
/** @return borrowed; NULL when @p object is no object or has no such key */
const struct vx6_value *vx6_value_get(const struct vx6_value *object, const char *key);

/** The string; NULL when @p v is NULL or no string. */
const char *vx6_value_string(const struct vx6_value *v);
double vx6_value_number(const struct vx6_value *v); /* 0 when it is none */
bool vx6_value_bool(const struct vx6_value *v, bool otherwise);

/** As JSON Schema has it: 1 equals 1.0, objects by members in any order. */
bool vx6_value_equal(const struct vx6_value *a, const struct vx6_value *b);

/**
 * RFC 7396: members of @p patch replace those of @p target at every depth, null removes.
 * @param target  taken @param patch borrowed @return owned; NULL: out of memory, target is freed
 */
struct vx6_value *vx6_value_merge(struct vx6_value *target, const struct vx6_value *patch);

/** Compact JSON text; numbers keep 15 digits. @return owned, free(); NULL: out of memory */
char *vx6_value_text(const struct vx6_value *v);

#endif
