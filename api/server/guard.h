/**
 * @file guard.h
 * Refuses what a web page of another origin, or a rebound name, could make a browser send.
 *
 * Spec:    docs/api-conventions.md (browser defence); Fetch Metadata Request Headers
 * Layer:   api
 * Trust:   all fields are hostile
 * Threads: pure
 */
#ifndef VX6_API_SERVER_GUARD_H
#define VX6_API_SERVER_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "api/contract/contract.h"

struct vx6_http_guard {
	bool tcp;                  /* else: unix socket, where Host says nothing */
	uint16_t port;             /* of the listener */
	unsigned host_n, origin_n; /* how many headers of that name there are */
	const char *host, *origin, *fetch_site, *fetch_mode; /* NULL: not sent */
};

/** @return VX6_PROBLEM_N: may pass; else the problem to answer with */
enum vx6_problem_code vx6_guard_check(const struct vx6_http_guard *g);

/** Whether @p value is the media type @p type, parameters such as charset=utf-8 aside. */
bool vx6_media_type_is(const char *value, const char *type);

#endif
