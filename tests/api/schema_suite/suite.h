/**
 * @file suite.h
 * The cases of the public JSON Schema test suite that are within the profile, as tables.
 *
 * Layer:   api
 */
#ifndef VX6_TESTS_SCHEMA_SUITE_H
#define VX6_TESTS_SCHEMA_SUITE_H

#include "api/contract/contract.h"

struct suite_case {
	const char *what;
	const struct vx6_schema *schema;
	const char *text;
	bool valid;
};

extern const struct suite_case suite_cases[];
extern const size_t suite_cases_n,
	suite_left_out; /* left out: groups with a keyword outside the profile */

#endif
