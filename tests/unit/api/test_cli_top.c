#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/cli/screen.h"
#include "api/cli/text.h"
#include "api/cli/top_view.h"
#include "base/util.h"

#define NODE                                                                                       \
	"{\"name\":\"alice\",\"node_id\":\"vx1abc\",\"status\":{\"ready\":true,\"uptime_ms\":"     \
	"61000,"                                                                                   \
	"\"peers\":{\"up\":1,\"total\":2},\"streams\":3,\"known\":{\"nodes\":7},\"dht\":{"         \
	"\"alarm\""                                                                                \
	":true},\"relay\":{\"mode\":\"public\",\"circuits\":4}}}"

static struct vx6_value *value(const char *json)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (!vx6_is_ok(vx6_value_parse(json, strlen(json), &v, &fault)))
		fail_msg("%s: %s", json, fault.text);
	return v;
}

/* So many peers, the n-th with n bytes received and twice as many sent. */
static struct vx6_value *peers(unsigned n, unsigned factor)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	struct vx6_value *v;

	assert_non_null(to);
	fputs("{\"items\":[", to);
	for (unsigned i = 1; i <= n; i++)
		fprintf(to,
			"%s{\"id\":\"peer_%u\",\"name\":\"p%u\",\"status\":{\"state\":\"up\","
			"\"bytes\":"
			"{\"rx\":%u,\"tx\":%u}}}",
			i > 1 ? "," : "", i, i, i * factor, 2 * i * factor);
	fputs("]}", to);
	fclose(to);
	v = value(text);
	free(text);
	return v;
}

static void rate__two_pictures__bytes_a_second(void **state)
{
	struct vx6_top before = {.at_ms = 1000, .lists = {peers(2, 1000)}};
	struct vx6_top now = {.at_ms = 3000, .lists = {peers(2, 3000)}};
	struct vx6_top none = {0};
	double rx, tx;

	vx6_top_rate(&before, &now, &rx, &tx);
	assert_int_equal(rx, 3000); /* (2000 + 4000) / 2 s */
	assert_int_equal(tx, 6000);
	vx6_top_rate(&now, &now, &rx, &tx);
	assert_int_equal(rx, 0);
	vx6_top_rate(&none, &now, &rx, &tx);
	assert_int_equal(rx, 0);
	vx6_top_fini(&now);
	now = (struct vx6_top){.at_ms = 3000, .lists = {peers(3, 500)}};
	vx6_top_rate(&before, &now, &rx, &tx);
	assert_int_equal(rx, 1500); /* counters that began anew, and a new peer */
	vx6_top_fini(&before);
	vx6_top_fini(&now);
}

static char *printed(const struct vx6_top_view *view)
{
	const struct vx6_cli cli = {.headers = true};
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	assert_non_null(to);
	vx6_top_print(&cli, view, to);
	fclose(to);
	return text;
}

static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void print__once__has_all_tables(void **state)
{
	struct vx6_top now = {.at_ms = 1, .node = value(NODE), .lists = {peers(30, 1)}},
		       before = {0};
	char *text = printed(&(struct vx6_top_view){.now = &now, .before = &before});

	assert_non_null(strstr(text, "alice  vx1abc  up 1m 1s  ready  DHT alarm\n"));
	assert_non_null(
		strstr(text, "peers 1/2  streams 3  circuits 0  nodes known 7  relay public, 4"));
	assert_null(strstr(text, "/s"));
	assert_non_null(strstr(text, "Peers 30\nNAME"));
	assert_non_null(strstr(text, "Forwards 0\nNAME"));
	assert_non_null(strstr(text, "\np30 "));
	assert_null(strchr(text, '\033'));
	free(text);
	vx6_top_fini(&now);
}

static void print__window__fits_and_scrolls(void **state)
{
	struct vx6_top now = {.at_ms = 2, .node = value(NODE), .lists = {peers(30, 1)}};
	struct vx6_top_view view = {.now = &now, .before = &now, .rows = 20};
	char *text = printed(&view);

	assert_int_equal(lines(text), 20);
	assert_non_null(strstr(text, "[Peers 30]  Circuits 0"));
	assert_non_null(strstr(text, "\np1 "));
	assert_null(strstr(text, "\np14 "));
	free(text);
	assert_int_equal(vx6_top_scroll_max(&view), 17);
	view.scroll = 17;
	view.stale = true;
	text = printed(&view);
	assert_non_null(strstr(text, "\np30 "));
	assert_null(strstr(text, "\np17 "));
	assert_non_null(strstr(text, "does not answer"));
	free(text);
	view.rows = 1;
	text = printed(&view);
	free(text);
	vx6_top_fini(&now);
}

static enum vx6_key key(const char *bytes, size_t wanted)
{
	size_t used;
	enum vx6_key k = vx6_screen_key_of(bytes, strlen(bytes), &used);

	assert_int_equal(used, wanted);
	return k;
}

static void key__what_terminals_send__is_known(void **state)
{
	assert_int_equal(key("q", 1), VX6_KEY_QUIT);
	assert_int_equal(key("\t", 1), VX6_KEY_NEXT);
	assert_int_equal(key("\033[C", 3), VX6_KEY_NEXT);
	assert_int_equal(key("\033OC", 3), VX6_KEY_NEXT);
	assert_int_equal(key("\033[Dq", 3), VX6_KEY_BACK);
	assert_int_equal(key("\033[Z", 3), VX6_KEY_BACK);
	assert_int_equal(key("\033[A", 3), VX6_KEY_UP);
	assert_int_equal(key("\033[B", 3), VX6_KEY_DOWN);
	assert_int_equal(key("3", 1), VX6_KEY_FIRST + 2);
	assert_int_equal(key("\033[1;5C", 6), VX6_KEY_NONE);
	assert_int_equal(key("\033[200~", 6), VX6_KEY_NONE);
	assert_int_equal(key("\033", 1), VX6_KEY_NONE);
	assert_int_equal(key("\033[", 2), VX6_KEY_NONE);
	assert_int_equal(key("\033x", 1), VX6_KEY_NONE);
	assert_int_equal(key("\xff", 1), VX6_KEY_NONE);
}

static int setup(void **state)
{
	vx6_cli_text_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate__two_pictures__bytes_a_second),
		cmocka_unit_test(print__once__has_all_tables),
		cmocka_unit_test(print__window__fits_and_scrolls),
		cmocka_unit_test(key__what_terminals_send__is_known),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
