/**
 * @file route.h
 * Takes a request target apart and finds the route for it.
 *
 * Layer:   api
 * Trust:   the target is hostile
 * Threads: pure
 */
#ifndef VX6_API_SERVER_ROUTE_H
#define VX6_API_SERVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/contract/validate.h"

enum {
	VX6_TARGET_MAX = 2048, /* bytes of path and query */
	VX6_QUERY_MAX = 16,    /* parameters */
	VX6_PATH_ARG =
		112, /* bytes of the variable part of a path, NUL included; a longer one names nothing */
	VX6_ALLOW_TEXT = 64,
};

struct vx6_query {
	struct {
		const char *name, *value; /* decoded; point into the buffer that was split */
	} items[VX6_QUERY_MAX];
	size_t n;
};

struct vx6_route_match {
	const struct vx6_route *route; /* NULL: see path_known */
	bool path_known;               /* the path exists, but not with this method */
	char arg[VX6_PATH_ARG];        /* value of the path parameter, decoded; or empty */
	char allow[VX6_ALLOW_TEXT];    /* methods of the path, when path_known */
};

/**
 * Splits "path?query" in place and decodes the query.
 * @param target  rewritten; the query points into it
 * @return VX6_OK | FORMAT (percent sign without two hex digits, NUL, bytes outside printable ASCII) | LIMIT (too many parameters)
 */
VX6_RES vx6_uri_split(char *target, struct vx6_query *query);

/**
 * The route that fits best: a template without a parameter goes before `{id}:verb`, that before `{id}`.
 * @param method HEAD counts as GET @param path without the query
 */
void vx6_route_find(const char *method, const char *path, struct vx6_route_match *out);

/** Checks every parameter against the route: unknown, repeated and ill-formed ones are faults. */
bool vx6_query_check(const struct vx6_route *route, const struct vx6_query *query,
		     struct vx6_faults *faults);

/** @return the value; NULL: not given */
const char *vx6_query_get(const struct vx6_query *query, const char *name);

#endif
