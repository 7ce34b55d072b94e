#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/server/guard.h"
#include "api/server/route.h"

static enum vx6_problem_code check(struct vx6_http_guard g)
{
	g.port = 4866;
	g.host_n = g.host_n ? g.host_n : g.host != NULL;
	g.origin_n = g.origin_n ? g.origin_n : g.origin != NULL;
	return vx6_guard_check(&g);
}

#define TCP .tcp = true, .host = "127.0.0.1:4866"

static void guard__own_names_with_port__pass(void **state)
{
	static const char *const good[] = {"localhost:4866", "127.0.0.1:4866", "[::1]:4866",
					   "LOCALHOST:4866"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(check((struct vx6_http_guard){.tcp = true, .host = good[i]}),
				 VX6_PROBLEM_N);
	assert_int_equal(check((struct vx6_http_guard){TCP, .origin = "http://localhost:4866",
						       .fetch_site = "same-origin"}),
			 VX6_PROBLEM_N);
	assert_int_equal(check((struct vx6_http_guard){TCP, .fetch_site = "none",
						       .fetch_mode = "navigate"}),
			 VX6_PROBLEM_N);
}

static void guard__other_hosts__are_refused(void **state)
{
	static const char *const bad[] = {"",
					  "localhost",
					  "127.0.0.1",
					  "localhost:4867",
					  "evil.example:4866",
					  "evil.example",
					  "localhost.evil.example:4866",
					  "127.0.0.1:4866.evil.example",
					  "127.0.0.2:4866",
					  "[::1]",
					  "::1:4866",
					  "localhost:4866,evil.example",
					  " localhost:4866",
					  "localhost:04866"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(check((struct vx6_http_guard){.tcp = true, .host = bad[i]}),
				 VX6_PROBLEM_HOST_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){.tcp = true}), VX6_PROBLEM_HOST_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){TCP, .host_n = 2}),
			 VX6_PROBLEM_HOST_REFUSED);
}

static void guard__other_origins__are_refused(void **state)
{
	static const char *const bad[] = {"null",
					  "http://evil.example",
					  "https://localhost:4866",
					  "http://localhost:3000",
					  "http://127.0.0.1",
					  "file://",
					  "",
					  "http://localhost:4866/",
					  "chrome-extension://abc"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(check((struct vx6_http_guard){TCP, .origin = bad[i]}),
				 VX6_PROBLEM_ORIGIN_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){TCP, .origin = "http://localhost:4866",
						       .origin_n = 2}),
			 VX6_PROBLEM_ORIGIN_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){TCP, .fetch_site = "cross-site"}),
			 VX6_PROBLEM_ORIGIN_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){TCP, .fetch_site = "same-site"}),
			 VX6_PROBLEM_ORIGIN_REFUSED);
	assert_int_equal(check((struct vx6_http_guard){TCP, .fetch_site = "none",
						       .fetch_mode = "no-cors"}),
			 VX6_PROBLEM_ORIGIN_REFUSED);
}

static void guard__unix_socket__ignores_host_but_no_origin(void **state)
{
	assert_int_equal(check((struct vx6_http_guard){0}), VX6_PROBLEM_N);
	assert_int_equal(check((struct vx6_http_guard){.host = "anything"}), VX6_PROBLEM_N);
	assert_int_equal(check((struct vx6_http_guard){.origin = "http://localhost:4866"}),
			 VX6_PROBLEM_ORIGIN_REFUSED);
}

static void media_type__parameters_and_case__do_not_matter(void **state)
{
	assert_true(vx6_media_type_is("application/json", "application/json"));
	assert_true(vx6_media_type_is("Application/JSON; charset=utf-8", "application/json"));
	assert_false(vx6_media_type_is("application/jsonp", "application/json"));
	assert_false(vx6_media_type_is("text/plain", "application/json"));
	assert_false(vx6_media_type_is("application/json, text/plain", "application/json"));
	assert_false(vx6_media_type_is(NULL, "application/json"));
}

/* ---- routes ---- */

static void route_find__templates__match_whole_segments(void **state)
{
	struct vx6_route_match m;

	vx6_route_find("GET", "/v1/services/name%3Aweb", &m);
	assert_non_null(m.route);
	assert_int_equal(m.route->op, VX6_OP_SERVICE_GET);
	assert_string_equal(m.arg, "name:web");
	vx6_route_find("HEAD", "/v1/node", &m);
	assert_int_equal(m.route->op, VX6_OP_NODE_GET);
	vx6_route_find("BREW", "/v1/services/x", &m);
	assert_null(m.route);
	assert_true(m.path_known);
	assert_string_equal(m.allow, "GET, HEAD, PUT, PATCH, DELETE");
}

static void route_find__unknown_paths__match_nothing(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "/v1",
					  "/v1/",
					  "/v1/services/",
					  "/v1/services/a/b",
					  "/v1/node/",
					  "//v1/node",
					  "/v1/nodes",
					  "/v1/services/%",
					  "/v1/services/%0",
					  "/v1/services/%00",
					  "/v1/services/%zz",
					  "*",
					  "http://x/v1/node"};
	char path[VX6_PATH_ARG + 64] = "/v1/services/";
	struct vx6_route_match m;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		vx6_route_find("GET", bad[i], &m);
		assert_null(m.route);
		assert_false(m.path_known);
	}
	memset(path + strlen(path), 'a', VX6_PATH_ARG);
	vx6_route_find("GET", path, &m);
	assert_null(m.route);
}

static int split(const char *text, struct vx6_query *q)
{
	static char buffer[512];

	snprintf(buffer, sizeof buffer, "%s", text);
	return vx6_uri_split(buffer, q).code;
}

static void uri_split__query__is_decoded(void **state)
{
	struct vx6_query q;

	assert_int_equal(split("/p?a=1&b=x%20y+z&c&&d=", &q), VX6_E_OK);
	assert_int_equal(q.n, 4);
	assert_string_equal(vx6_query_get(&q, "b"), "x y z");
	assert_string_equal(vx6_query_get(&q, "c"), "");
	assert_null(vx6_query_get(&q, "e"));
	assert_int_equal(split("/p?a=%", &q), VX6_E_FORMAT);
	assert_int_equal(split("/p?a=%1", &q), VX6_E_FORMAT);
	assert_int_equal(split("/p?a=%00", &q), VX6_E_FORMAT);
	assert_int_equal(split("/p?a=\xff", &q), VX6_E_FORMAT);
	assert_int_equal(split("/p?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", &q), VX6_E_LIMIT);
}

static void query_check__unknown_and_repeated__are_faults(void **state)
{
	struct vx6_faults faults = {0};
	struct vx6_query q;

	assert_int_equal(split("/p?limit=5&nonsense=1&limit=6", &q), VX6_E_OK);
	assert_false(vx6_query_check(&vx6_routes[VX6_OP_SERVICE_LIST], &q, &faults));
	assert_int_equal(faults.n, 2);
	assert_string_equal(faults.items[0].pointer, "?nonsense");
	assert_string_equal(faults.items[1].code, "repeated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guard__own_names_with_port__pass),
		cmocka_unit_test(guard__other_hosts__are_refused),
		cmocka_unit_test(guard__other_origins__are_refused),
		cmocka_unit_test(guard__unix_socket__ignores_host_but_no_origin),
		cmocka_unit_test(media_type__parameters_and_case__do_not_matter),
		cmocka_unit_test(route_find__templates__match_whole_segments),
		cmocka_unit_test(route_find__unknown_paths__match_nothing),
		cmocka_unit_test(uri_split__query__is_decoded),
		cmocka_unit_test(query_check__unknown_and_repeated__are_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
