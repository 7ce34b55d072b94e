#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/server/route.h"
#include "base/util.h"

static struct vx6_route_match find(const char *method, const char *path)
{
	struct vx6_route_match m;

	vx6_route_find(method, path, &m);
	return m;
}

static void route_find__literal_path__goes_before_a_parameter(void **state)
{
	struct vx6_route_match m = find("GET", "/v1/names/conflicts");

	assert_int_equal(m.route->op, VX6_OP_NAME_CONFLICT_LIST);
	assert_string_equal(m.arg, "");
	assert_string_equal(m.allow, "GET, HEAD");
	m = find("DELETE", "/v1/names/conflicts");
	assert_null(m.route);
	assert_true(m.path_known);
	m = find("DELETE", "/v1/names/pin:conflicts");
	assert_int_equal(m.route->op, VX6_OP_NAME_DELETE);
	assert_string_equal(m.arg, "pin:conflicts");
}

static void route_find__verb_after_an_id__is_not_part_of_it(void **state)
{
	struct vx6_route_match m =
		find("POST", "/v1/operations/op_01J9Z3K4M5N6P7Q8R9S0T1V2W3:cancel");

	assert_int_equal(m.route->op, VX6_OP_OPERATION_CANCEL);
	assert_string_equal(m.arg, "op_01J9Z3K4M5N6P7Q8R9S0T1V2W3");
	m = find("POST", "/v1/catalogs/name:friends:invite");
	assert_int_equal(m.route->op, VX6_OP_CATALOG_INVITE);
	assert_string_equal(m.arg, "name:friends");
	m = find("POST", "/v1/catalogs:join");
	assert_int_equal(m.route->op, VX6_OP_CATALOG_JOIN);
}

static void route_find__name_like_a_verb__is_a_name(void **state)
{
	struct vx6_route_match m = find("GET", "/v1/catalogs/name:invite");

	assert_int_equal(m.route->op, VX6_OP_CATALOG_GET);
	assert_string_equal(m.arg, "name:invite");
	m = find("POST", "/v1/catalogs/name:invite:invite");
	assert_int_equal(m.route->op, VX6_OP_CATALOG_INVITE);
	assert_string_equal(m.arg, "name:invite");
}

static void route_find__what_is_there_no_route_for__is_unknown(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/v1",
		"/v1/names/",
		"/v1/names/a/b",
		"/v1/operations/",
		"/v1/catalogs:leave",
		"/v1/operations/op_01J9Z3K4M5N6P7Q8R9S0T1V2W3:cancel/x",
	};

	for (size_t i = 0; i < VX6_ARRAY_N(paths); i++) {
		struct vx6_route_match m = find("GET", paths[i]);

		assert_null(m.route);
		assert_false(m.path_known);
	}
}

static void route_find__long_argument__names_nothing(void **state)
{
	char path[256] = "/v1/names/pin:";

	memset(path + strlen(path), 'a', 200);
	assert_false(find("GET", path).path_known);
	memset(path, 0, sizeof path);
	memcpy(path, "/v1/names/", 10);
	memset(path + 10, 'a', VX6_PATH_ARG - 1);
	assert_int_equal(strlen(find("GET", path).arg), VX6_PATH_ARG - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_find__literal_path__goes_before_a_parameter),
		cmocka_unit_test(route_find__verb_after_an_id__is_not_part_of_it),
		cmocka_unit_test(route_find__name_like_a_verb__is_a_name),
		cmocka_unit_test(route_find__what_is_there_no_route_for__is_unknown),
		cmocka_unit_test(route_find__long_argument__names_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
