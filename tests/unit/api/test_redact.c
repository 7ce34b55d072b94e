/* What is taken out of a text, and what is left in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/server/redact.h"

static void becomes(struct api_redact *r, const char *text, const char *expected)
{
	size_t n;
	char *made = api_redact(r, text, strlen(text), &n);

	assert_string_equal(made, expected);
	assert_int_equal(n, strlen(expected));
	free(made);
}

static void redact__addresses__in_every_form(void **state)
{
	struct api_redact *r = api_redact_new();

	becomes(r, "\"192.0.2.1:80\"", "\"[address 1]\"");
	becomes(r, "[\"[2001:db8::1]:4242\",\"2001:db8::1\"]", "[\"[address 2]\",\"[address 3]\"]");
	becomes(r, "tcp:192.0.2.1:80: refused, 192.0.2.1.",
		"tcp:[address 1]: refused, [address 4].");
	becomes(r, "fe80::1%eth0", "[address 5]%eth0");
	api_redact_free(r);
}

static void redact__keys_and_ids__the_same_one_has_the_same_number(void **state)
{
	struct api_redact *r = api_redact_new();

	becomes(r, "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh.web",
		"[id 1].web");
	becomes(r, "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh@[fd00::1]:1",
		"[id 1]@[address 2]");
	becomes(r, "vx1q8t44xqps…", "[id 3]…");
	becomes(r, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "[key 4]");
	api_redact_free(r);
}

static void redact__everything_else__is_left(void **state)
{
	static const char *const left[] = {
		"", "{\"time\":\"2026-01-31T12:00:00.123Z\",\"n\":[1.5,-2,12:30]}",
		"127.0.0.1:8080 [::1]:4866 [::]:4242 0.0.0.0:4242",
		"vx6_circuit_round_trip_seconds{circuit=\"cir_01J9Z3K4M5N6P7Q8R9S0T1V2W3\"} 0.25",
		"version 1.2.3, vx1 and vx1abc, cafe.babe"};
	struct api_redact *r = api_redact_new();

	for (size_t i = 0; i < sizeof left / sizeof *left; i++)
		becomes(r, left[i], left[i]);
	api_redact_free(r);
}

static void redact__more_than_it_remembers__nothing_shows(void **state)
{
	struct api_redact *r = api_redact_new();
	char text[64];

	for (int i = 0; i < 5000; i++) {
		size_t n;
		char *made;

		snprintf(text, sizeof text, "10.1.%d.%d:80", i / 250, i % 250);
		made = api_redact(r, text, strlen(text), &n);
		assert_null(strstr(made, "10.1"));
		free(made);
	}
	api_redact_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redact__addresses__in_every_form),
		cmocka_unit_test(redact__keys_and_ids__the_same_one_has_the_same_number),
		cmocka_unit_test(redact__everything_else__is_left),
		cmocka_unit_test(redact__more_than_it_remembers__nothing_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
