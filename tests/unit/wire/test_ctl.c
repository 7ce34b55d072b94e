#include "tests/unit/vectors.h"
#include "wire/ctl.h"
#include "wire/record.h"

struct message {
	uint8_t bytes[VX6_CTL_MAX];
	size_t n;
	struct vx6_ctl m;
};

static void load(const cJSON *vectors, const char *name, struct message *out)
{
	size_t used;

	out->n = vec_hex(vec_find(vectors, name), "bytes", out->bytes, sizeof out->bytes);
	assert_ok(vx6_ctl_decode(out->bytes, out->n, &out->m, &used));
	assert_int_equal(used, out->n);
}

static void assert_written(const struct vx6_wr *w, const struct message *want)
{
	assert_ok(w->err);
	assert_int_equal(w->len, want->n);
	assert_memory_equal(w->p, want->bytes, want->n);
}

static void ctl__golden_small_messages__both_ways(void **state)
{
	cJSON *vectors = vec_load("messages");
	uint8_t id[32], want_id[32], out[VX6_CTL_MAX];
	struct message m;
	struct vx6_wr w;
	uint64_t token;

	load(vectors, "records_want", &m);
	assert_int_equal(m.m.type, VX6_CTL_RECORDS_WANT);
	assert_ok(vx6_ctl_decode_records_want(&m.m, id));
	vec_hex(vec_find(vectors, "records_want"), "node_id", want_id, 32);
	assert_memory_equal(id, want_id, 32);
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_records_want(&w, id);
	assert_written(&w, &m);

	load(vectors, "ping", &m);
	assert_int_equal(m.m.type, VX6_CTL_PING);
	assert_ok(vx6_ctl_decode_ping(&m.m, &token));
	assert_int_equal(token, vec_num(vec_find(vectors, "ping"), "token"));
	load(vectors, "pong", &m);
	assert_ok(vx6_ctl_decode_ping(&m.m, &token));
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_ping(&w, true, token);
	assert_written(&w, &m);
	vec_free(vectors);
}

static void ctl_have_and_get__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("messages");
	uint64_t tag = vec_num(vec_find(vectors, "have"), "tag"), tags[2] = {1, tag};
	struct vx6_have want[2] = {{tag, 7}, {UINT64_MAX, UINT64_MAX - 1}}, e;
	uint8_t out[VX6_CTL_MAX];
	struct message m;
	struct vx6_wr w;
	struct vx6_rd r;

	load(vectors, "have", &m);
	assert_ok(vx6_ctl_decode_have(&m.m, &r));
	for (size_t i = 0; i < 2; i++) {
		assert_true(vx6_ctl_have_next(&r, &e));
		assert_true(e.tag == want[i].tag && e.seq == want[i].seq);
	}
	assert_false(vx6_ctl_have_next(&r, &e));
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_have(&w, want, 2);
	assert_written(&w, &m);

	load(vectors, "get", &m);
	assert_ok(vx6_ctl_decode_get(&m.m, &r));
	for (size_t i = 0; i < 2; i++) {
		uint64_t got;

		assert_true(vx6_ctl_get_next(&r, &got));
		assert_true(got == tags[i]);
	}
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_get(&w, tags, 2);
	assert_written(&w, &m);
	vec_free(vectors);

	m.m.body_len = 15;
	assert_err(vx6_ctl_decode_have(&m.m, &r), SHORT);
	assert_err(vx6_ctl_decode_get(&m.m, &r), SHORT);
	assert_false(vx6_ctl_get_next(&r, &tag));
	m.m.body_len = 0;
	assert_ok(vx6_ctl_decode_have(&m.m, &r));
	assert_false(vx6_ctl_have_next(&r, &e));
}

static void ctl_goaway__reason__is_made_printable_and_checked(void **state)
{
	cJSON *vectors = vec_load("messages");
	const cJSON *v = vec_find(vectors, "goaway");
	uint8_t out[VX6_CTL_MAX];
	struct vx6_goaway g;
	struct message m;
	struct vx6_wr w;

	load(vectors, "goaway", &m);
	assert_ok(vx6_ctl_decode_goaway(&m.m, &g));
	assert_int_equal(g.code, vec_num(v, "code"));
	assert_string_equal(g.reason, vec_text(v, "read"));
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_goaway(&w, 7, vec_text(v, "reason"));
	assert_written(&w, &m);
	vec_free(vectors);

	m.m.body = (const uint8_t *)"\0\7a\x1b[0m";
	m.m.body_len = 7;
	assert_err(vx6_ctl_decode_goaway(&m.m, &g), FORMAT);
	assert_string_equal(g.reason, "");
	m.m.body = out;
	m.m.body_len = 2 + VX6_CTL_REASON_MAX + 1;
	memset(out, 'x', sizeof out);
	assert_err(vx6_ctl_decode_goaway(&m.m, &g), LIMIT);
	m.m.body_len = 1;
	assert_err(vx6_ctl_decode_goaway(&m.m, &g), SHORT);
}

static void ctl_decode__cut_at_each_byte__is_short(void **state)
{
	cJSON *vectors = vec_load("messages");
	struct message m;
	struct vx6_ctl c;
	size_t used;

	load(vectors, "records", &m);
	for (size_t n = 0; n < m.n; n++) {
		uint8_t *cut = exact_copy(m.bytes, n);

		assert_err(vx6_ctl_decode(cut, n, &c, &used), SHORT);
		free(cut);
	}
	vec_free(vectors);
}

static void ctl_decode__length_or_flags_out_of_bounds__is_refused(void **state)
{
	const uint8_t longest[] = {VX6_CTL_PING, 0, VX6_CTL_BODY_MAX >> 8, VX6_CTL_BODY_MAX & 0xff};
	const uint8_t longer[] = {VX6_CTL_PING, 0, (VX6_CTL_BODY_MAX + 1) >> 8,
				  (VX6_CTL_BODY_MAX + 1) & 0xff};
	const uint8_t flags[] = {VX6_CTL_PING, 2, 0, 0};
	struct vx6_ctl c;
	size_t used;

	assert_err(vx6_ctl_decode(longest, 4, &c, &used), SHORT);
	assert_err(vx6_ctl_decode(longer, 4, &c, &used), LIMIT);
	assert_err(vx6_ctl_decode(flags, 4, &c, &used), UNSUPPORTED);
	assert_int_equal(used, 0);
}

static void ctl_bodies__trailing_byte__is_refused(void **state)
{
	uint8_t body[64] = {0}, id[32];
	struct vx6_ctl m = {.body = body};
	uint64_t token;

	m.body_len = 33;
	assert_err(vx6_ctl_decode_records_want(&m, id), TRAILING);
	m.body_len = 31;
	assert_err(vx6_ctl_decode_records_want(&m, id), SHORT);
	m.body_len = 9;
	assert_err(vx6_ctl_decode_ping(&m, &token), TRAILING);
	m.body_len = 7;
	assert_err(vx6_ctl_decode_ping(&m, &token), SHORT);
}

static void ctl_records__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("messages");
	const cJSON *parts = cJSON_GetObjectItem(vec_find(vectors, "records"), "parts");
	uint8_t out[VX6_CTL_MAX];
	const uint8_t *record;
	size_t n, mark, count = 0;
	struct message m;
	struct vx6_wr w;
	struct vx6_rd r;

	load(vectors, "records", &m);
	vx6_wr_init(&w, out, sizeof out);
	mark = vx6_ctl_begin(&w, VX6_CTL_RECORDS, 0);
	assert_ok(vx6_ctl_decode_records(&m.m, &r));
	while (vx6_ctl_records_next(&r, &record, &n)) {
		assert_int_equal(n * 2, strlen(cJSON_GetArrayItem(parts, (int)count)->valuestring));
		assert_true(vx6_ctl_records_add(&w, mark, record, n));
		count++;
	}
	assert_int_equal(count, 2);
	vx6_ctl_end(&w, mark);
	assert_written(&w, &m);
	vec_free(vectors);
}

static void ctl_records_add__message_full__adds_nothing(void **state)
{
	static uint8_t out[VX6_CTL_MAX + 100], record[VX6_RECORD_MAX];
	struct vx6_wr w;
	size_t mark, before, added = 0;

	vx6_wr_init(&w, out, sizeof out);
	mark = vx6_ctl_begin(&w, VX6_CTL_RECORDS, 0);
	while (vx6_ctl_records_add(&w, mark, record, 640))
		added++;
	assert_int_equal(added, VX6_CTL_BODY_MAX / 642);
	before = w.len;
	assert_false(vx6_ctl_records_add(&w, mark, record, sizeof record));
	assert_int_equal(w.len, before);
	vx6_ctl_end(&w, mark);
	assert_ok(w.err);
}

static void ctl_decode_records__bad_parts__are_refused(void **state)
{
	static uint8_t body[200];
	struct vx6_ctl m = {.body = body, .body_len = 3};
	struct vx6_rd r;

	body[1] = 2;
	assert_err(vx6_ctl_decode_records(&m, &r), SHORT); /* longer than what is there */
	body[1] = 1;
	assert_err(vx6_ctl_decode_records(&m, &r), SHORT); /* smaller than any record */
	body[0] = 0x20, body[1] = 1;
	assert_err(vx6_ctl_decode_records(&m, &r), LIMIT);
	m.body_len = 0;
	assert_ok(vx6_ctl_decode_records(&m, &r));
	assert_false(vx6_ctl_records_next(&r, &(const uint8_t *){NULL}, &(size_t){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctl__golden_small_messages__both_ways),
		cmocka_unit_test(ctl_have_and_get__golden_bytes__both_ways),
		cmocka_unit_test(ctl_goaway__reason__is_made_printable_and_checked),
		cmocka_unit_test(ctl_decode__cut_at_each_byte__is_short),
		cmocka_unit_test(ctl_decode__length_or_flags_out_of_bounds__is_refused),
		cmocka_unit_test(ctl_bodies__trailing_byte__is_refused),
		cmocka_unit_test(ctl_records__golden_bytes__both_ways),
		cmocka_unit_test(ctl_records_add__message_full__adds_nothing),
		cmocka_unit_test(ctl_decode_records__bad_parts__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
