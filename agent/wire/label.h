/**
 * @file label.h
 * Labels: user names and service names, the two halves of `alice.ssh`.
 *
 * Spec:    schemas/wire/names.md
 * Layer:   wire
 * Shape:   [a-z0-9]([a-z0-9-]{0,30}[a-z0-9])? — ASCII only, so no two labels look alike;
 *          none begins with vx1, vxh1, vxs1 or vxc1, so none looks like a key that was cut short
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_LABEL_H
#define VX6_WIRE_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "wire/rd.h"

enum {
	VX6_LABEL_MAX = 32,
	VX6_LABEL_TEXT = VX6_LABEL_MAX + 1, /* NUL included */
};

/** Whether @p s[0..n) is a label. */
bool vx6_label_is_valid(const char *s, size_t n);

/** Takes all of @p r as one label (FORMAT, LIMIT into the reader otherwise). @param out NUL-terminated, empty on failure */
void vx6_rd_label(struct vx6_rd *r, char out[VX6_LABEL_TEXT]);

/**
 * Splits "user.service". The user part may also be a node id ("vx1….ssh"): then it is left to the caller to decode.
 * @param user at least VX6_USER_TEXT bytes @return VX6_OK | FORMAT | LIMIT
 */
enum { VX6_USER_TEXT = 96 };
VX6_RES vx6_label_split(const char *text, char user[VX6_USER_TEXT], char service[VX6_LABEL_TEXT]);

#endif
