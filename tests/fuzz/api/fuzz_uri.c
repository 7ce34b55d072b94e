/* Any request target: taken apart, matched and its parameters checked without a step outside the buffer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/guard.h"
#include "api/server/route.h"
#include "api/server/token.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const methods[] = {"GET",   "HEAD",   "POST", "PUT",
					      "PATCH", "DELETE", "BREW"};
	static struct vx6_faults faults;
	struct vx6_route_match match;
	struct vx6_query query;
	struct vx6_http_guard guard = {.tcp = true, .port = 4866, .host_n = 1};
	char *text;

	if (n == 0 || n > VX6_TARGET_MAX || memchr(data, 0, n))
		return 0;
	text = vx6_zalloc(n + 1);
	memcpy(text, data, n);
	guard.host = guard.origin = text;
	VX6_ASSERT(vx6_guard_check(&guard) !=
		   VX6_PROBLEM_N); /* nothing is both a host and an origin */
	vx6_token_is_valid(text);
	if (vx6_is_ok(vx6_uri_split(text, &query))) {
		VX6_ASSERT(query.n <= VX6_QUERY_MAX);
		for (size_t i = 0; i < VX6_ARRAY_N(methods); i++) {
			vx6_route_find(methods[i], text, &match);
			faults.n = 0;
			if (match.route)
				vx6_query_check(match.route, &query, &faults);
			VX6_ASSERT(strlen(match.arg) < VX6_PATH_ARG);
		}
	}
	free(text);
	return 0;
}
