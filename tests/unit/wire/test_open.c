#include "tests/unit/vectors.h"
#include "wire/code.h"
#include "wire/open.h"

static void open__golden_bytes__both_ways(void **state)
{
	static const char *const names[] = {"open", "open_longest"};
	cJSON *vectors = vec_load("messages");

	for (size_t i = 0; i < 2; i++) {
		const cJSON *v = vec_find(vectors, names[i]);
		uint8_t bytes[VX6_OPEN_MAX], out[VX6_OPEN_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n, used;
		struct vx6_open o;

		assert_ok(vx6_open_decode(bytes, n, &o, &used));
		assert_int_equal(used, n);
		assert_string_equal(o.name, vec_text(v, "service"));
		assert_int_equal(o.kind, VX6_OPEN_SERVICE);
		assert_ok(vx6_open_encode(&o, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void open_decode__byte_by_byte__says_short_until_complete(void **state)
{
	static const uint8_t bytes[] = {1, 1, 0, 3, 's', 's', 'h', 'S', 'S', 'H', '-'};
	struct vx6_open o;
	size_t used;

	for (size_t n = 0; n < 7; n++) {
		uint8_t *cut = exact_copy(bytes, n);

		assert_err(vx6_open_decode(cut, n, &o, &used), SHORT);
		assert_int_equal(used, 0);
		free(cut);
	}
	for (size_t n = 7; n <= sizeof bytes; n++) {
		assert_ok(vx6_open_decode(bytes, n, &o, &used));
		assert_int_equal(used, 7); /* application bytes behind it stay */
		assert_string_equal(o.name, "ssh");
	}
}

static void open_decode__wrong_first_bytes__are_refused_at_once(void **state)
{
	struct vx6_open o;
	size_t used;

	assert_err(vx6_open_decode((const uint8_t *)"\x02", 1, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"GET / HTTP/1.1", 14, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x06", 2, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x01\x02", 3, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x02\x01", 3, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x03\x01", 3, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x04\x01", 3, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x05\x01", 3, &o, &used), UNSUPPORTED);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x04\x00\x01x", 5, &o, &used), FORMAT);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x01\x00\x21", 4, &o, &used), LIMIT);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x01\x00\x00", 4, &o, &used), FORMAT);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x01\x00\x03s/h", 7, &o, &used), FORMAT);
}

static void open__kinds_without_a_name__both_ways(void **state)
{
	static const uint8_t kinds[] = {VX6_OPEN_DHT, VX6_OPEN_CIRCUIT};
	struct vx6_open in = {0}, o;
	uint8_t out[VX6_OPEN_MAX];
	size_t n, used;

	for (size_t i = 0; i < sizeof kinds; i++) {
		in.kind = kinds[i];
		assert_ok(vx6_open_encode(&in, out, &n));
		assert_int_equal(n, VX6_OPEN_HEADER);
		assert_ok(vx6_open_decode(out, n, &o, &used));
		assert_int_equal(o.kind, kinds[i]);
		assert_int_equal(used, n);
	}
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x02\x00\x01x", 5, &o, &used), FORMAT);
	assert_err(vx6_open_decode((const uint8_t *)"\x01\x01\x00\x00", 4, &o, &used), FORMAT);
	in.name[0] = 'x';
	assert_err(vx6_open_encode(&in, out, &n), INVALID);
}

static void open__resumable_and_attach__both_ways(void **state)
{
	static const char *const names[] = {"open_resumable", "open_attach"};
	cJSON *vectors = vec_load("vxs");

	for (size_t i = 0; i < 2; i++) {
		const cJSON *v = vec_find(vectors, names[i]);
		uint8_t bytes[VX6_OPEN_MAX], out[VX6_OPEN_MAX], id[VX6_VXS_ID_BYTES];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n, used;
		struct vx6_open o;

		for (size_t cut = 0; cut < n; cut++)
			assert_err(vx6_open_decode(bytes, cut, &o, &used), SHORT);
		assert_ok(vx6_open_decode(bytes, n, &o, &used));
		assert_int_equal(used, n);
		vec_hex(v, "id", id, sizeof id);
		assert_memory_equal(i == 0 ? o.stream_id : o.attach.id, id, sizeof id);
		assert_int_equal(o.flags, i == 0 ? VX6_OPEN_RESUMABLE : 0);
		if (i == 1) {
			assert_int_equal(o.attach.epoch, vec_num(v, "epoch"));
			assert_int_equal(o.attach.recv_off, vec_num(v, "recv_off"));
		}
		assert_ok(vx6_open_encode(&o, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void open__to_ask_another_node__both_ways(void **state)
{
	cJSON *vectors = vec_load("messages");
	const cJSON *v = vec_find(vectors, "open_dht_via");
	uint8_t bytes[VX6_OPEN_MAX], out[VX6_OPEN_MAX], node[32], ip[16];
	size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n, used;
	struct vx6_open o;

	assert_int_equal(n, VX6_OPEN_HEADER + VX6_OPEN_VIA_BYTES);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = exact_copy(bytes, cut);

		assert_err(vx6_open_decode(part, cut, &o, &used), SHORT);
		free(part);
	}
	assert_ok(vx6_open_decode(bytes, n, &o, &used));
	assert_int_equal(used, n);
	vec_hex(v, "node_id", node, sizeof node);
	vec_hex(v, "ip", ip, sizeof ip);
	assert_memory_equal(o.ask.node, node, sizeof node);
	assert_memory_equal(o.ask.ip, ip, sizeof ip);
	assert_int_equal(o.ask.port, vec_num(v, "port"));
	assert_int_equal(o.ask.via, vec_num(v, "via"));
	assert_ok(vx6_open_encode(&o, out, &out_n));
	assert_int_equal(out_n, n);
	assert_memory_equal(out, bytes, n);
	vec_free(vectors);
}

static void open__to_ask_nowhere__is_refused(void **state)
{
	enum { VIA_AT = VX6_OPEN_HEADER + 32, PORT_AT = VIA_AT + 1 + 16 };
	struct vx6_open in = {.kind = VX6_OPEN_DHT_VIA, .ask = {.port = 1, .via = 3}}, o;
	uint8_t out[VX6_OPEN_MAX];
	size_t n, used;

	assert_ok(vx6_open_encode(&in, out, &n));
	out[VIA_AT] = 0;
	assert_err(vx6_open_decode(out, VIA_AT + 1, &o, &used), FORMAT); /* without waiting */
	out[VIA_AT] = 4;
	assert_err(vx6_open_decode(out, n, &o, &used), FORMAT);
	out[VIA_AT] = VX6_OPEN_VIA_TCP;
	out[PORT_AT + 1] = 0;
	assert_err(vx6_open_decode(out, n, &o, &used), FORMAT);
	in.ask.via = 0;
	assert_err(vx6_open_encode(&in, out, &n), INVALID);
	in.ask.via = 5;
	assert_err(vx6_open_encode(&in, out, &n), INVALID);
	in.ask.via = 1;
	in.ask.port = 0;
	assert_err(vx6_open_encode(&in, out, &n), INVALID);
}

static void open_encode__not_a_label__is_invalid(void **state)
{
	struct vx6_open o = {.kind = VX6_OPEN_SERVICE, .name = "../etc"};
	uint8_t out[VX6_OPEN_MAX];
	size_t n;

	assert_err(vx6_open_encode(&o, out, &n), INVALID);
	memset(o.name, 'a', sizeof o.name); /* no NUL */
	assert_err(vx6_open_encode(&o, out, &n), INVALID);
	assert_int_equal(n, 0);
}

static void open_reply__two_bytes__both_ways(void **state)
{
	uint8_t out[VX6_OPEN_REPLY];
	uint16_t status;
	size_t used;

	vx6_open_reply_encode(VX6_CODE_SERVICE_UNKNOWN, out);
	assert_memory_equal(out, "\x00\x64", 2);
	assert_err(vx6_open_reply_decode(out, 0, &status, &used), SHORT);
	assert_err(vx6_open_reply_decode(out, 1, &status, &used), SHORT);
	assert_ok(vx6_open_reply_decode(out, 2, &status, &used));
	assert_int_equal(status, VX6_CODE_SERVICE_UNKNOWN);
	assert_int_equal(used, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__golden_bytes__both_ways),
		cmocka_unit_test(open_decode__byte_by_byte__says_short_until_complete),
		cmocka_unit_test(open_decode__wrong_first_bytes__are_refused_at_once),
		cmocka_unit_test(open__kinds_without_a_name__both_ways),
		cmocka_unit_test(open__resumable_and_attach__both_ways),
		cmocka_unit_test(open__to_ask_another_node__both_ways),
		cmocka_unit_test(open__to_ask_nowhere__is_refused),
		cmocka_unit_test(open_encode__not_a_label__is_invalid),
		cmocka_unit_test(open_reply__two_bytes__both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
