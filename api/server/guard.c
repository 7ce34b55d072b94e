#include "api/server/guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

static bool host_is_ours(const char *host, uint16_t port)
{
	char expected[32];

	for (size_t i = 0; i < VX6_ARRAY_N(names); i++) {
		snprintf(expected, sizeof expected, "%s:%u", names[i], port);
		if (strcasecmp(host, expected) == 0 ||
		    (port == 80 && strcasecmp(host, names[i]) == 0))
			return true;
	}
	return false;
}

static bool origin_is_ours(const struct vx6_http_guard *g)
{
	static const char scheme[] = "http://";

	return g->tcp && strncasecmp(g->origin, scheme, sizeof scheme - 1) == 0 &&
	       host_is_ours(g->origin + sizeof scheme - 1, g->port);
}

enum vx6_problem_code vx6_guard_check(const struct vx6_http_guard *g)
{
	if (g->tcp && (g->host_n != 1 || !g->host || !host_is_ours(g->host, g->port)))
		return VX6_PROBLEM_HOST_REFUSED;
	if (g->origin_n > 1 || (g->origin && !origin_is_ours(g)))
		return VX6_PROBLEM_ORIGIN_REFUSED;
	if (g->fetch_site && strcmp(g->fetch_site, "same-origin") != 0 &&
	    strcmp(g->fetch_site, "none") != 0)
		return VX6_PROBLEM_ORIGIN_REFUSED;
	if (g->fetch_mode && strcmp(g->fetch_mode, "no-cors") == 0)
		return VX6_PROBLEM_ORIGIN_REFUSED;
	return VX6_PROBLEM_N;
}

bool vx6_media_type_is(const char *value, const char *type)
{
	size_t n = strlen(type);

	if (!value || strncasecmp(value, type, n) != 0)
		return false;
	value += n + strspn(value + n, " \t");
	return *value == 0 || *value == ';';
}
