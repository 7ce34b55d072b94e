/**
 * @file json.h
 * Writes JSON text into a growing string; no reading (that is the API's).
 *
 * Layer:   base
 * Trust:   strings are escaped, bytes that are not UTF-8 become U+FFFD
 * Limits:  the text stops growing at VX6_JSON_MAX and `full` is set
 * Threads: none of its own
 */
#ifndef VX6_BASE_JSON_H
#define VX6_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VX6_JSON_MAX = 1 << 20, VX6_JSON_DEPTH = 16 };

/** Zero-initialise; `text` is owned by the writer until vx6_json_take() or vx6_json_fini(). */
struct vx6_json {
	char *text;
	size_t n, cap;
	uint8_t depth;
	bool full;
	bool has_item[VX6_JSON_DEPTH]; /* a comma is due before the next item of this level */
};

/** @param key NULL inside an array or at the top */
void vx6_json_object(struct vx6_json *j, const char *key);
void vx6_json_array(struct vx6_json *j, const char *key);
void vx6_json_end_object(struct vx6_json *j);
void vx6_json_end_array(struct vx6_json *j);
void vx6_json_str(struct vx6_json *j, const char *key, const char *value); /* NULL value: null */
void vx6_json_u64(struct vx6_json *j, const char *key, uint64_t value);
void vx6_json_i64(struct vx6_json *j, const char *key, int64_t value);
void vx6_json_real(struct vx6_json *j, const char *key, double value);
void vx6_json_bool(struct vx6_json *j, const char *key, bool value);
/** @param raw JSON text, trusted to be well formed */
void vx6_json_raw(struct vx6_json *j, const char *key, const char *raw);

/** @return owned text ("{}" when nothing was written or it did not fit), free(); the writer is empty again */
char *vx6_json_take(struct vx6_json *j);
void vx6_json_fini(struct vx6_json *j);

#endif
