#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/cli/grid.h"
#include "api/cli/output.h"
#include "api/cli/show.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/util.h"

#define FORWARD_ONE                                                                                \
	"{\"id\":\"fwd_1\",\"name\":\"db\",\"listen\":\"127.0.0.1:0\",\"to\":null,\"service\":"    \
	"\"pg\","                                                                                  \
	"\"address\":\"[::1]:1\",\"status\":{\"phase\":\"listening\",\"bound\":\"127.0.0.1:"       \
	"4711\","                                                                                  \
	"\"connections\":{\"active\":1,\"total\":17},\"bytes\":{\"rx\":1234567,\"tx\":0},"         \
	"\"path\":null,\"last_error\":null}}"

static char *text;
static size_t text_n;
static FILE *real;

/* Everything on stdout between these two lands in `text`. */
static void capture(void)
{
	free(text);
	real = stdout;
	stdout = open_memstream(&text, &text_n);
	assert_non_null(stdout);
}

static const char *captured(void)
{
	fclose(stdout);
	stdout = real;
	return text;
}

static struct vx6_value *value(const char *json)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (!vx6_is_ok(vx6_value_parse(json, strlen(json), &v, &fault)))
		fail_msg("%s: %s", json, fault.text);
	return v;
}

static const char *show(const struct vx6_cli *cli, const char *noun, const char *verb,
			const char *json)
{
	struct vx6_value *v = value(json);
	const struct vx6_cli_command *c = vx6_cli_find(noun, verb);

	capture();
	if (vx6_value_get(v, "items"))
		vx6_cli_show_list(cli, c, &v, 1);
	else if (c->done)
		vx6_cli_show_row(cli, c, v);
	else
		vx6_cli_show_one(cli, c, v);
	captured();
	vx6_value_free(v);
	return text;
}

static int setup(void **state)
{
	vx6_cli_text_init();
	return 0;
}

static int teardown(void **state)
{
	VX6_FREE(text);
	return 0;
}

static const char *clean(const char *s)
{
	capture();
	vx6_cli_clean(stdout, s);
	return captured();
}

static void clean__what_steers_a_terminal__is_replaced(void **state)
{
	assert_string_equal(clean("naïve 日本 ✓"), "naïve 日本 ✓");
	assert_string_equal(clean("a\033[2Jb\nc\x7f"), "a�[2Jb�c�");
	assert_string_equal(clean("x\xc2\x9by"), "x�y");     /* C1: one-byte CSI */
	assert_string_equal(clean("x\xe2\x80\xaey"), "x�y"); /* right-to-left override */
	assert_string_equal(clean("bad\xff\xc3"), "bad��");
}

static void width__wide_and_combining__count_columns(void **state)
{
	assert_int_equal(vx6_cli_width("abc"), 3);
	assert_int_equal(vx6_cli_width("日本"), 4);
	assert_int_equal(vx6_cli_width("e\xcc\x81"), 1);
	assert_int_equal(vx6_cli_width("\033"), 1);
}

static void numbers__sizes__read_well(void **state)
{
	char out[VX6_CLI_HUMAN];

	assert_string_equal(vx6_cli_bytes(0, out), "0 B");
	assert_string_equal(vx6_cli_bytes(999, out), "999 B");
	assert_string_equal(vx6_cli_bytes(999.6, out), "1.0 kB");
	assert_string_equal(vx6_cli_bytes(1234567, out), "1.2 MB");
	assert_string_equal(vx6_cli_bytes(999999999, out), "1.0 GB");
	assert_string_equal(vx6_cli_ms(0.4, out), "0.40 ms");
	assert_string_equal(vx6_cli_ms(52.3, out), "52 ms");
	assert_string_equal(vx6_cli_ms(1500, out), "1.5 s");
	assert_string_equal(vx6_cli_span(61000, out), "1m 1s");
	assert_string_equal(vx6_cli_span(90000000, out), "1d 1h");
	assert_string_equal(vx6_cli_span(-5, out), "0s");
}

/* One cell, shown as @p as. */
static void assert_cell(const char *json, enum vx6_cli_show as, const char *wanted)
{
	struct vx6_value *v = value(json);
	struct vx6_cli_cell cell =
		vx6_cli_cell(&(struct vx6_cli_column){.path = "x", .show = as}, v);

	assert_string_equal(cell.text, wanted);
	free(cell.text);
	vx6_value_free(v);
}

static void cell__what_discovery_shows__reads_well(void **state)
{
	assert_cell("{\"x\":{\"address\":\"[::1]:1\",\"transports\":[\"quic\",\"tcp\"]}}",
		    VX6_SHOW_ADDRESS, "[::1]:1 quic+tcp");
	assert_cell("{\"x\":[{\"address\":\"[::1]:1\",\"transports\":[]},"
		    "{\"address\":\"[::2]:2\",\"transports\":[\"tcp\"]}]}",
		    VX6_SHOW_ADDRESS, "[::1]:1, [::2]:2 tcp");
	assert_cell("{\"x\":[]}", VX6_SHOW_ADDRESS, "-");
	assert_cell("{\"x\":[{\"node_id\":\"vx1a\"},{\"node_id\":\"vx1b\"}]}", VX6_SHOW_CLAIMS,
		    "vx1a, vx1b");
	assert_cell("{\"x\":[{\"name\":\"wiki\"},{}]}", VX6_SHOW_ENTRIES, "wiki, ");
	assert_cell("{\"x\":{\"wanted\":8,\"stored\":8,\"proved\":7}}", VX6_SHOW_REPLICAS,
		    "7 of 8");
	assert_cell("{\"x\":1180.4}", VX6_SHOW_ROUND, "about 1180");
	assert_cell("{\"x\":0.025}", VX6_SHOW_SHARE, "2.5 %");
	assert_cell("{\"x\":true}", VX6_SHOW_ALARM, "yes");
	assert_cell("{\"x\":null}", VX6_SHOW_ALARM, "-");
}

static void cell__times__are_spans(void **state)
{
	char json[64], now[VX6_TIME_TEXT];

	snprintf(json, sizeof json, "{\"x\":\"%s\"}",
		 vx6_time_format(vx6_wall_ms() - 3600500, now));
	assert_cell(json, VX6_SHOW_AGO, "1h 0m ago");
	assert_cell(json, VX6_SHOW_HOUR, "1h ago");
	assert_cell(json, VX6_SHOW_LEFT, "over");
	snprintf(json, sizeof json, "{\"x\":\"%s\"}",
		 vx6_time_format(vx6_wall_ms() + 7200900, now));
	assert_cell(json, VX6_SHOW_LEFT, "2h 0m");
	assert_cell(json, VX6_SHOW_AGO, "0s ago");
	assert_cell(json, VX6_SHOW_HOUR, "this hour");
	assert_cell("{\"x\":\"soon\"}", VX6_SHOW_LEFT, "soon");
}

static void grid__wide_text__stays_aligned(void **state)
{
	struct vx6_grid g = {.columns = 3};
	static const char *const cells[] = {"A", "BB", "C", "日本", "1", "x", "z", "100", "y"};

	for (size_t i = 0; i < 9; i++)
		vx6_grid_add(&g, vx6_strdup(cells[i]), VX6_TINT_NONE, i % 3 == 1);
	capture();
	vx6_grid_print(&g, stdout);
	assert_string_equal(captured(), "A      BB  C\n日本    1  x\nz     100  y\n");
	vx6_grid_drop(&g, 1);
	capture();
	vx6_grid_print(&g, stdout);
	assert_string_equal(captured(), "A     C\n日本  x\nz     y\n");
	vx6_grid_fini(&g);
}

static void grid__colour__does_not_count(void **state)
{
	struct vx6_grid g = {.columns = 2, .colour = true};

	vx6_grid_add(&g, vx6_strdup("up"), VX6_TINT_GOOD, false);
	vx6_grid_add(&g, vx6_strdup("x"), VX6_TINT_NONE, false);
	vx6_grid_add(&g, vx6_strdup("idle"), VX6_TINT_NONE, false);
	vx6_grid_add(&g, vx6_strdup("y"), VX6_TINT_NONE, false);
	capture();
	vx6_grid_print(&g, stdout);
	assert_string_equal(captured(), "\033[32mup\033[0m    x\nidle  y\n");
	vx6_grid_fini(&g);
}

static void table__forward__shows_where_it_leads(void **state)
{
	const struct vx6_cli cli = {.headers = true, .quiet = true};

	assert_string_equal(
		show(&cli, "forward", "add", FORWARD_ONE),
		"NAME  LISTEN          TO          STATE      OPEN  TOTAL      RX   TX\n"
		"db    127.0.0.1:4711  pg@[::1]:1  listening     1     17  1.2 MB  0 B\n");
}

#define ROUTED(via_, hops_, more_)                                                                 \
	"{\"name\":\"f\",\"listen\":\"127.0.0.1:1\",\"to\":\"a.b\",\"route\":{\"via\":\"" via_     \
	"\",\"hops\":" hops_ more_                                                                 \
	"},\"status\":{\"phase\":\"listening\",\"connections\":{\"active\":0,"                     \
	"\"total\":0},\"bytes\":{\"rx\":0,\"tx\":0},\"path\":null,\"last_error\":null}}"

/* What is as usual takes no room. */
static void table__routes_of_forwards__are_words(void **state)
{
	const struct vx6_cli cli = {.headers = false, .quiet = true};

	assert_string_equal(show(&cli, "forward", "list",
				 "{\"items\":[" ROUTED("auto", "null", ",\"nodes\":[]") "]}"),
			    "f  127.0.0.1:1  a.b  listening  0  0  0 B  0 B\n");
	assert_string_equal(
		show(&cli, "forward", "list",
		     "{\"items\":[" ROUTED("relay", "2", ",\"anonymous\":true") "]}"),
		"f  127.0.0.1:1  a.b  listening  relay x2, anonymous  0  0  0 B  0 B\n");
	assert_string_equal(show(&cli, "forward", "list",
				 "{\"items\":[" ROUTED("relay", "null", ",\"nodes\":[\"x\"]") "]}"),
			    "f  127.0.0.1:1  a.b  listening  relay x1  0  0  0 B  0 B\n");
}

static void table__circuit__shows_its_hops(void **state)
{
	const struct vx6_cli cli = {.headers = false, .quiet = true, .fields = NULL};

	assert_string_equal(
		show(&cli, "circuit", "list",
		     "{\"items\":[{\"id\":\"cir_1\",\"state\":\"building\",\"purpose\":\"route\","
		     "\"hops\":[{\"name\":\"bob\",\"node_id\":\"vx1b\",\"built\":true,\"rtt_ms\":"
		     "12},"
		     "{\"name\":null,\"node_id\":\"vx1q8t44xqps2cs4d7\",\"built\":false,\"rtt_ms\":"
		     "null}],"
		     "\"rtt_ms\":null,\"streams\":0,\"bytes\":{\"rx\":0,\"tx\":5},\"opened_at\":"
		     "null,"
		     "\"error\":null}]}"),
		"cir_1  building  route  me ▸ bob 12 ms ▸ (vx1q8t44xq…)  0  0 B  5 B  -\n");
}

static void lines__relay_status__counts_what_was_refused(void **state)
{
	const struct vx6_cli cli = {.headers = true, .quiet = true};

	assert_non_null(
		strstr(show(&cli, "relay", "status",
			    "{\"status\":{\"relay\":{\"mode\":\"public\",\"refused\":{\"format\":0,"
			    "\"key\":3,\"unreachable\":41}}}}"),
		       "Refused               3 key, 41 unreachable\n"));
	assert_non_null(strstr(show(&cli, "relay", "status",
				    "{\"status\":{\"relay\":{\"refused\":{\"key\":0}}}}"),
			       "Refused               -\n"));
}

static void table__no_headers_and_fields__are_for_scripts(void **state)
{
	const struct vx6_cli cli = {.headers = false, .quiet = true, .fields = "name,status.bound"};

	assert_string_equal(show(&cli, "forward", "list",
				 "{\"items\":[" FORWARD_ONE "],\"next_cursor\":null}"),
			    "db  127.0.0.1:4711\n");
}

static void table__empty_list__prints_nothing(void **state)
{
	const struct vx6_cli cli = {.headers = true, .quiet = true};

	assert_string_equal(show(&cli, "peer", "list", "{\"items\":[],\"next_cursor\":null}"), "");
}

static void lines__one_object__has_a_line_for_each_value(void **state)
{
	const struct vx6_cli cli = {.headers = true, .quiet = true};

	assert_string_equal(show(&cli, "peer", "show",
				 "{\"a\":1,\"b\":{\"c\":[\"x\",\"y\"],\"d\":null},\"e\":{}}"),
			    "a    1\nb.c  x, y\nb.d  -\ne    {}\n");
}

static void lines__list_of_objects__reads_as_words(void **state)
{
	const struct vx6_cli cli = {.headers = true, .quiet = true};

	assert_string_equal(
		show(&cli, "peer", "show",
		     "{\"l\":[{\"t\":\"quic\",\"a\":\"[::]:1\"},{\"t\":\"tcp\",\"n\":2}]}"),
		"l  quic [::]:1, tcp 2\n");
}

static void json__list__is_the_shape_of_the_api(void **state)
{
	const struct vx6_cli cli = {.format = VX6_FORMAT_JSON};

	assert_string_equal(
		show(&cli, "peer", "list",
		     "{\"items\":[{\"id\":\"a\",\"n\":[]}],\"next_cursor\":null,\"index\":7}"),
		"{\n  \"items\": [\n    {\n      \"id\": \"a\",\n      \"n\": []\n    }\n  ],\n"
		"  \"next_cursor\": null,\n  \"index\": 7\n}\n");
}

static void json__fields__reach_inside(void **state)
{
	const struct vx6_cli cli = {.format = VX6_FORMAT_JSONL, .fields = "id,s.x"};

	assert_string_equal(
		show(&cli, "peer", "show",
		     "{\"id\":\"a\",\"idx\":1,\"s\":{\"x\":{\"z\":3},\"y\":2,\"xx\":1}}"),
		"{\"id\":\"a\",\"s\":{\"x\":{\"z\":3}}}\n");
	assert_string_equal(show(&cli, "peer", "show", "{\"id\":\"a\",\"s\":[{\"x\":1,\"y\":2}]}"),
			    "{\"id\":\"a\",\"s\":[{\"x\":1,\"y\":2}]}\n");
}

static void json__made_here__looks_as_from_the_api(void **state)
{
	static const struct vx6_cli forms[] = {{.format = VX6_FORMAT_JSONL, .fields = "b"},
					       {.format = VX6_FORMAT_NAME},
					       {.format = VX6_FORMAT_TABLE, .headers = true}};
	static const char *const wanted[] = {"{\"b\":true}\n", "x\n", "name  x\nb     true\n"};

	for (size_t i = 0; i < VX6_ARRAY_N(forms); i++) {
		struct vx6_json j = {0};

		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "name", "x");
		vx6_json_bool(&j, "b", true);
		vx6_json_end_object(&j);
		capture();
		vx6_cli_show_json(&forms[i], &(struct vx6_cli_command){0}, &j);
		assert_string_equal(captured(), wanted[i]);
	}
}

static void line__every_form__is_one_line(void **state)
{
	static const char *const wanted[] = {[VX6_FORMAT_TABLE] = "peer.up\n",
					     [VX6_FORMAT_JSON] = "{\"type\":\"peer.up\"}\n",
					     [VX6_FORMAT_JSONL] = "{\"type\":\"peer.up\"}\n",
					     [VX6_FORMAT_NAME] = "7\n"};
	struct vx6_value *v = value("{\"seq\":7,\"type\":\"peer.up\"}");

	for (size_t i = 0; i < VX6_ARRAY_N(wanted); i++) {
		const struct vx6_cli cli = {.format = (enum vx6_cli_format)i, .fields = "type"};

		capture();
		vx6_cli_show_line(&cli, vx6_cli_find("events", NULL), v);
		assert_string_equal(captured(), wanted[i]);
	}
	vx6_value_free(v);
}

static void json__strings_with_brackets__are_left_alone(void **state)
{
	capture();
	vx6_cli_indent(stdout, "{\"a\":\"{[,:\\\"]}\",\"b\":{}}");
	assert_string_equal(captured(), "{\n  \"a\": \"{[,:\\\"]}\",\n  \"b\": {}\n}\n");
}

static void name__objects__are_called_by_name_then_id(void **state)
{
	const struct vx6_cli cli = {.format = VX6_FORMAT_NAME};

	assert_string_equal(show(&cli, "peer", "list",
				 "{\"items\":[{\"id\":\"peer_1\",\"name\":null},{\"id\":\"peer_2\","
				 "\"name\":\"al\"}]}"),
			    "peer_1\nal\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean__what_steers_a_terminal__is_replaced),
		cmocka_unit_test(width__wide_and_combining__count_columns),
		cmocka_unit_test(numbers__sizes__read_well),
		cmocka_unit_test(cell__what_discovery_shows__reads_well),
		cmocka_unit_test(cell__times__are_spans),
		cmocka_unit_test(grid__wide_text__stays_aligned),
		cmocka_unit_test(grid__colour__does_not_count),
		cmocka_unit_test(table__forward__shows_where_it_leads),
		cmocka_unit_test(table__routes_of_forwards__are_words),
		cmocka_unit_test(table__circuit__shows_its_hops),
		cmocka_unit_test(lines__relay_status__counts_what_was_refused),
		cmocka_unit_test(table__no_headers_and_fields__are_for_scripts),
		cmocka_unit_test(table__empty_list__prints_nothing),
		cmocka_unit_test(lines__one_object__has_a_line_for_each_value),
		cmocka_unit_test(lines__list_of_objects__reads_as_words),
		cmocka_unit_test(json__list__is_the_shape_of_the_api),
		cmocka_unit_test(json__fields__reach_inside),
		cmocka_unit_test(json__made_here__looks_as_from_the_api),
		cmocka_unit_test(line__every_form__is_one_line),
		cmocka_unit_test(json__strings_with_brackets__are_left_alone),
		cmocka_unit_test(name__objects__are_called_by_name_then_id),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
