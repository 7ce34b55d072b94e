#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_out.h"
#include "base/log_ring.h"
#include "base/util.h"

static char seen[VX6_LOG_TEXT];

static void sink(const struct vx6_log_record *record, void *user)
{
	vx6_strlcpy(seen, record->text, sizeof seen);
}

static int teardown(void **state)
{
	vx6_log_set_level(VX6_LOG_INFO);
	vx6_log_set_sink(NULL, NULL);
	return vx6_log_out_choose(VX6_LOG_AS_TEXT, NULL).code;
}

/* ---- what a record holds ---- */

static void log__control_bytes__cannot_forge_a_line(void **state)
{
	vx6_log_set_sink(sink, NULL);
	VX6_INFO("test", "%s", "a\nerror b\x1b[31m\x7f");
	assert_string_equal(seen, "a?error b?[31m?");
	vx6_log_set_level(VX6_LOG_ERROR);
	VX6_INFO("test", "not written");
	assert_string_equal(seen, "a?error b?[31m?");
}

static void log__what_is_no_utf8_or_turns_text__is_not_kept(void **state)
{
	vx6_log_set_sink(sink, NULL);
	VX6_INFO("test", "%s",
		 "\xc3\xa9 \xff\xc3 \xc2\x9b[1m \xe2\x80\xae"
		 "b");
	assert_string_equal(seen, "\xc3\xa9 ?? ??[1m ???b");
}

static void log__text_that_is_too_long__is_cut_to_utf8(void **state)
{
	char longer[2 * VX6_LOG_TEXT] = "";

	for (size_t i = 0; i < sizeof longer - 3; i += 3)
		memcpy(longer + i, "\xe2\x82\xac", 3);
	vx6_log_set_sink(sink, NULL);
	VX6_INFO("test", "%s", longer);
	for (const char *s = seen; *s; s += vx6_utf8_length(s))
		assert_true(vx6_utf8_length(s) > 0);
}

/* ---- addresses ---- */

static const char *addr(const char *text, struct vx6_log_addr_buf *buf)
{
	struct vx6_addr a;

	assert_true(vx6_is_ok(vx6_addr_parse(text, &a)));
	return vx6_log_addr(&a, buf);
}

static void log__peers_addresses__are_shown_to_those_who_may(void **state)
{
	struct vx6_log_addr_buf v6, v4, own;
	char out[VX6_LOG_TEXT];

	vx6_log_set_sink(sink, NULL);
	vx6_log_set_level(VX6_LOG_DEBUG);
	VX6_INFO("test", "%s, %s and %s", addr("[2001:db8::77]:4242", &v6),
		 addr("192.0.2.77:4242", &v4), addr("[::1]:80", &own));
	assert_string_equal(vx6_log_show(seen, false, out),
			    "[2001:*]:4242, 192.*.*.*:4242 and [::1]:80");
	assert_string_equal(vx6_log_show(seen, true, out),
			    "[2001:db8::77]:4242, 192.0.2.77:4242 and [::1]:80");
}

static void log__above_debug__the_address_goes_nowhere(void **state)
{
	struct vx6_log_addr_buf buf;
	char out[VX6_LOG_TEXT];

	vx6_log_set_sink(sink, NULL);
	VX6_INFO("test", "%s " VX6_LOG_EITHER, addr("192.0.2.77:4242", &buf), "77", "some");
	assert_string_equal(seen, "192.*.*.*:4242 some");
	assert_string_equal(vx6_log_show(seen, true, out), seen);
}

static void log__hostile_marks__never_show_an_address(void **state)
{
	static const char *const hostile[] = {"\001",           "\002",         "\003",
					      "\001\002",       "\001x\002",    "\001\001",
					      "\002\003",       "\001\002\001", "\001x\002y\003",
					      "\001\n\002\003", "\xc2"};
	struct vx6_log_addr_buf buf;
	char out[VX6_LOG_TEXT];

	vx6_log_set_level(VX6_LOG_DEBUG);
	vx6_log_set_sink(sink, NULL);
	for (size_t i = 0; i < VX6_ARRAY_N(hostile); i++) {
		VX6_INFO("test", "%s%s%s", hostile[i], addr("192.0.2.77:4242", &buf), hostile[i]);
		vx6_log_show(seen, false, out);
		assert_null(strstr(out, "77"));
		assert_non_null(strstr(out, "192.*"));
		for (const char *s = out; *s; s++)
			assert_true((unsigned char)*s >= 0x20);
	}
}

static void log__line_cut_inside_an_address__tells_nothing_of_it(void **state)
{
	struct vx6_log_addr_buf buf;
	char out[VX6_LOG_TEXT];

	vx6_log_set_level(VX6_LOG_DEBUG);
	vx6_log_set_sink(sink, NULL);
	for (int pad = VX6_LOG_TEXT - 50; pad < VX6_LOG_TEXT; pad++) {
		VX6_INFO("test", "%*s%s", pad, "", addr("192.0.2.77:4242", &buf));
		assert_null(strstr(vx6_log_show(seen, false, out), "2.77"));
	}
}

/* ---- levels ---- */

static void log__level_of_a_layer__is_its_own(void **state)
{
	size_t session = vx6_log_layer_find("session");

	assert_string_equal(vx6_log_layer_name(session), "session");
	assert_null(vx6_log_layer_name(VX6_LOG_LAYERS_N));
	assert_int_equal(vx6_log_layer_find("nowhere"), VX6_LOG_LAYERS_N);
	assert_false(vx6_log_is_on(VX6_LOG_DEBUG, "session"));
	vx6_log_set_layer_level(session, VX6_LOG_TRACE);
	assert_true(vx6_log_is_on(VX6_LOG_TRACE, "session"));
	assert_false(vx6_log_is_on(VX6_LOG_DEBUG, "node"));
	assert_false(vx6_log_is_on(VX6_LOG_DEBUG, "nowhere"));
	vx6_log_set_level(VX6_LOG_ERROR);
	assert_int_equal(vx6_log_layer_level(session), VX6_LOG_ERROR);
	assert_false(vx6_log_is_on(VX6_LOG_WARN, "session"));
}

static void log__burst__is_cut(void **state)
{
	struct vx6_ratelimit rl = {0};
	int allowed = 0;

	for (int i = 0; i < 1000; i++)
		allowed += vx6_log_allow(&rl, "test", 5, 60000);
	assert_int_equal(allowed, 5);
	assert_int_equal(rl.suppressed, 995);
}

/* ---- forms ---- */

static const char *encoded(enum vx6_log_format format, const char *text)
{
	static char out[VX6_LOG_LINE + 1];
	struct vx6_log_record r = {.wall_ms = 0, .level = VX6_LOG_WARN, .layer = "session"};

	out[vx6_log_encode(format, &r, text, out)] = 0;
	return out;
}

static void out__marks_and_backslashes__are_escaped_where_they_mean_something(void **state)
{
	static const char text[] = "a \"b\" \\ c=d level=error";

	assert_string_equal(encoded(VX6_LOG_AS_TEXT, text),
			    "1970-01-01T00:00:00.000Z warn session: a \"b\" \\ c=d level=error\n");
	assert_string_equal(encoded(VX6_LOG_AS_LOGFMT, text),
			    "time=1970-01-01T00:00:00.000Z level=warn layer=session "
			    "msg=\"a \\\"b\\\" \\\\ c=d level=error\"\n");
	assert_string_equal(
		encoded(VX6_LOG_AS_JSON, text),
		"{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"layer\":\"session\","
		"\"msg\":\"a \\\"b\\\" \\\\ c=d level=error\"}\n");
	assert_string_equal(
		encoded(VX6_LOG_AS_JOURNALD, text),
		"MESSAGE=a \"b\" \\ c=d level=error\nPRIORITY=4\nSYSLOG_IDENTIFIER=vx6\n"
		"VX6_LAYER=session\nVX6_LEVEL=warn\n");
}

static void out__longest_text__fits_in_every_form(void **state)
{
	char text[VX6_LOG_TEXT];

	memset(text, '"', sizeof text - 1);
	text[sizeof text - 1] = 0;
	for (int f = VX6_LOG_AS_TEXT; f <= VX6_LOG_AS_JOURNALD; f++)
		assert_int_equal(encoded((enum vx6_log_format)f,
					 text)[strlen(encoded((enum vx6_log_format)f, text)) - 1],
				 '\n');
	assert_string_equal(encoded(VX6_LOG_AS_JSON, text) +
				    strlen(encoded(VX6_LOG_AS_JSON, text)) - 5,
			    "\\\"\"}\n");
}

static void out__line_break__ends_a_field_of_the_journal(void **state)
{
	assert_non_null(
		strstr(encoded(VX6_LOG_AS_JOURNALD, "a\nPRIORITY=0"), "MESSAGE=a\nPRIORITY=4\n"));
	assert_null(strstr(encoded(VX6_LOG_AS_JOURNALD, "a\nPRIORITY=0"), "PRIORITY=0"));
}

static void out__formats__are_known_by_name(void **state)
{
	enum vx6_log_format f;

	assert_true(vx6_log_format_parse("journald", &f));
	assert_int_equal(f, VX6_LOG_AS_JOURNALD);
	assert_false(vx6_log_format_parse("xml", &f));
}

static void out__journal__gets_one_datagram_a_line(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/vx6-log-XXXXXX", got[4096];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	assert_non_null(mkdtemp(dir));
	snprintf(at.sun_path, sizeof at.sun_path, "%s/journal", dir);
	assert_int_equal(vx6_log_out_choose(VX6_LOG_AS_JOURNALD, at.sun_path).code,
			 VX6_E_NOT_FOUND);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_true(vx6_is_ok(vx6_log_out_choose(VX6_LOG_AS_JOURNALD, at.sun_path)));
	VX6_ERROR("node", "%s", "first\nPRIORITY=7\nMESSAGE=forged");
	n = recv(fd, got, sizeof got - 1, 0);
	assert_true(n > 0);
	got[n] = 0;
	assert_string_equal(
		got, "MESSAGE=first?PRIORITY=7?MESSAGE=forged\nPRIORITY=3\nSYSLOG_IDENTIFIER=vx6\n"
		     "VX6_LAYER=node\nVX6_LEVEL=error\n");
	close(fd);
	unlink(at.sun_path);
	rmdir(dir);
	VX6_ERROR("node", "the journal is gone, and this is on standard error");
}

/* ---- ring ---- */

static void ring__more_than_it_holds__drops_the_oldest(void **state)
{
	struct vx6_log_kept *k = vx6_zalloc(sizeof *k);
	uint64_t first, last, since = 0, n = 0;
	char want[32];

	vx6_log_ring_begin();
	vx6_log_ring_span(&first, &last);
	assert_int_equal(first, last + 1);
	assert_false(vx6_log_ring_next(0, k));
	for (int i = 1; i <= 3000; i++)
		VX6_INFO("node", "line %d", i);
	vx6_log_ring_span(&first, &last);
	assert_int_equal(last, 3000);
	assert_int_equal(last - first + 1, VX6_LOG_RING_LINES);
	while (vx6_log_ring_next(since, k)) {
		assert_int_equal(k->seq, since ? since + 1 : first);
		since = k->seq;
		snprintf(want, sizeof want, "line %d", (int)since);
		assert_string_equal(k->record.text, want);
		assert_string_equal(k->record.layer, "node");
		n++;
	}
	assert_int_equal(n, VX6_LOG_RING_LINES);
	free(k);
}

static void ring__long_lines__are_bounded_by_their_bytes(void **state)
{
	struct vx6_log_kept *k = vx6_zalloc(sizeof *k);
	uint64_t first, last;

	vx6_log_ring_begin();
	for (int i = 0; i < 700; i++)
		VX6_INFO("node", "%0*d", 100 + i, i);
	vx6_log_ring_span(&first, &last);
	assert_int_equal(last, 700);
	for (uint64_t seq = first; seq <= last; seq++) {
		assert_true(vx6_log_ring_next(seq - 1, k));
		assert_int_equal(strlen(k->text), 100 + seq - 1);
		assert_int_equal(strtoul(k->text, NULL, 10), seq - 1);
	}
	assert_true(last - first + 1 >= VX6_LOG_RING_BYTES / 800);
	assert_true(last - first + 1 <= VX6_LOG_RING_BYTES / 600);
	free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(log__control_bytes__cannot_forge_a_line, teardown),
		cmocka_unit_test_teardown(log__what_is_no_utf8_or_turns_text__is_not_kept,
					  teardown),
		cmocka_unit_test_teardown(log__text_that_is_too_long__is_cut_to_utf8, teardown),
		cmocka_unit_test_teardown(log__peers_addresses__are_shown_to_those_who_may,
					  teardown),
		cmocka_unit_test_teardown(log__above_debug__the_address_goes_nowhere, teardown),
		cmocka_unit_test_teardown(log__hostile_marks__never_show_an_address, teardown),
		cmocka_unit_test_teardown(log__line_cut_inside_an_address__tells_nothing_of_it,
					  teardown),
		cmocka_unit_test_teardown(log__level_of_a_layer__is_its_own, teardown),
		cmocka_unit_test_teardown(log__burst__is_cut, teardown),
		cmocka_unit_test_teardown(
			out__marks_and_backslashes__are_escaped_where_they_mean_something,
			teardown),
		cmocka_unit_test_teardown(out__longest_text__fits_in_every_form, teardown),
		cmocka_unit_test_teardown(out__line_break__ends_a_field_of_the_journal, teardown),
		cmocka_unit_test_teardown(out__formats__are_known_by_name, teardown),
		cmocka_unit_test_teardown(out__journal__gets_one_datagram_a_line, teardown),
		cmocka_unit_test_teardown(ring__more_than_it_holds__drops_the_oldest, teardown),
		cmocka_unit_test_teardown(ring__long_lines__are_bounded_by_their_bytes, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
