#include "tests/unit/record/common.h"

#include "record/endpoint.h"

static void assert_addrs(const cJSON *v, const struct vx6_endpoint *e)
{
	const cJSON *list = cJSON_GetObjectItem(v, "addrs");

	assert_int_equal(e->n_addrs, cJSON_GetArraySize(list));
	for (int i = 0; i < e->n_addrs; i++) {
		const cJSON *a = cJSON_GetArrayItem(list, i);
		uint8_t ip[16];

		vec_hex(a, "ip", ip, 16);
		assert_memory_equal(e->addrs[i].addr.ip, ip, 16);
		assert_int_equal(e->addrs[i].addr.port, vec_num(a, "port"));
		assert_int_equal(e->addrs[i].via, vec_num(a, "via"));
		assert_int_equal(e->addrs[i].prio, vec_num(a, "prio"));
	}
}

static void endpoint__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("records");
	unsigned seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX], out[VX6_ENDPOINT_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_identity id;
		struct vx6_endpoint e;
		struct vx6_record rec;

		assert_ok(vx6_record_parse(bytes, n, &rec));
		if (vec_num(v, "rtype") != VX6_RTYPE_ENDPOINT) {
			assert_err(vx6_endpoint_read(&rec, &e), MISMATCH);
			continue;
		}
		seen++;
		assert_ok(vx6_endpoint_read(&rec, &e));
		assert_string_equal(e.name, vec_text(v, "node_name"));
		assert_true(e.features == vec_num(v, "features"));
		assert_true(e.seq == vec_num(v, "seq"));
		assert_addrs(v, &e);
		identity_of(v, &id);
		assert_ok(vx6_endpoint_build(&e, &id, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	assert_int_equal(seen, 3);
	vec_free(vectors);
}

static struct vx6_endpoint sample(void)
{
	struct vx6_endpoint e = {
		.seq = 1, .issued_s = NOW, .lifetime_s = 60, .name = "alice", .n_addrs = 1};

	assert_ok(vx6_addr_parse("[fd00::1]:4242", &e.addrs[0].addr));
	e.addrs[0].via = VX6_VIA_TCP;
	return e;
}

static void endpoint_build__what_may_not_travel__is_refused(void **state)
{
	struct vx6_endpoint e = sample();
	uint8_t out[VX6_ENDPOINT_MAX];
	struct vx6_identity id;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	assert_ok(vx6_endpoint_build(&e, &id, out, &n));
	strcpy(e.name, "Alice");
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	e = sample();
	e.addrs[0].addr.port = 0;
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	e = sample();
	e.addrs[0].via = 0;
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	e.addrs[0].via = 4;
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	e = sample();
	assert_ok(vx6_addr_parse("[::]:1", &e.addrs[0].addr));
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	assert_ok(vx6_addr_parse("[ff02::1]:1", &e.addrs[0].addr));
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	assert_ok(vx6_addr_parse("unix:/run/x", &e.addrs[0].addr));
	assert_err(vx6_endpoint_build(&e, &id, out, &n), INVALID);
	e = sample();
	e.n_addrs = 9;
	assert_err(vx6_endpoint_build(&e, &id, out, &n), LIMIT);
	assert_int_equal(n, 0);
}

/* A signer who does not use our builder: what reading must refuse although it is signed. */
static vx6_err read_crafted(uint8_t flags, uint8_t type, const void *value, size_t value_n)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_ENDPOINT,
				    .flags = flags,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	uint8_t out[VX6_ENDPOINT_MAX];
	struct vx6_record_builder b;
	struct vx6_identity id;
	struct vx6_endpoint e;
	struct vx6_record rec;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	vx6_record_build_begin(&b, &h, &id, out, sizeof out);
	vx6_tlv_wr_put(&b.tlv, type, value, value_n);
	assert_ok(vx6_record_build_finish(&b, &id, &n));
	assert_ok(vx6_record_parse(out, n, &rec));
	return vx6_endpoint_read(&rec, &e);
}

static void endpoint_read__crafted_contents__are_refused(void **state)
{
	uint8_t addrs[9 * 20] = {0};

	for (size_t i = 0; i < 9; i++) {
		addrs[i * 20] = VX6_VIA_QUIC;
		addrs[i * 20 + 1] = 0xfd;
		addrs[i * 20 + 18] = 1;
	}
	assert_ok(read_crafted(0, VX6_RTLV_ADDR, addrs, 8 * 20));
	assert_err(read_crafted(0, VX6_RTLV_ADDR, addrs, 9 * 20), LIMIT);
	assert_err(read_crafted(0, VX6_RTLV_ADDR, addrs, 19), SHORT);
	assert_err(read_crafted(0, VX6_RTLV_ADDR, addrs, 21), SHORT);
	assert_err(read_crafted(0, VX6_RTLV_ADDR, addrs, 0), SHORT);
	addrs[0] = 8;
	assert_err(read_crafted(0, VX6_RTLV_ADDR, addrs, 20), FORMAT);
	assert_err(read_crafted(0, VX6_RTLV_NAME, "a b", 3), FORMAT);
	assert_err(read_crafted(0, VX6_RTLV_NAME, "", 0), FORMAT);
	assert_err(read_crafted(0, VX6_RTLV_NAME, addrs, 33), LIMIT);
	assert_err(read_crafted(0, VX6_RTLV_FEATURES, addrs, 7), SHORT);
	assert_err(read_crafted(0, VX6_RTLV_FEATURES, addrs, 9), TRAILING);
	assert_err(read_crafted(0, 0x80, "", 0), UNSUPPORTED);
	assert_ok(read_crafted(0, 0x7e, "??", 2));
	assert_err(read_crafted(VX6_RECORD_WITHDRAWN, VX6_RTLV_NAME, "alice", 5), FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoint__golden_bytes__both_ways),
		cmocka_unit_test(endpoint_build__what_may_not_travel__is_refused),
		cmocka_unit_test(endpoint_read__crafted_contents__are_refused),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
