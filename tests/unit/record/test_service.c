#include "tests/unit/record/common.h"

#include "record/service.h"

static void service__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("records");
	unsigned seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX], out[VX6_SERVICE_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_service_record s;
		struct vx6_identity id;
		struct vx6_record rec;

		assert_ok(vx6_record_parse(bytes, n, &rec));
		if (vec_num(v, "rtype") != VX6_RTYPE_SERVICE) {
			assert_err(vx6_service_read(&rec, &s), MISMATCH);
			continue;
		}
		seen++;
		assert_ok(vx6_service_read(&rec, &s));
		assert_string_equal(s.name, vec_text(v, "service"));
		assert_string_equal(s.alpn, vec_text(v, "alpn"));
		assert_int_equal(s.port_hint, vec_num(v, "port"));
		assert_int_equal(s.withdrawn, vec_num(v, "withdrawn"));
		assert_true(vx6_service_slot(s.name) == vec_num(v, "slot"));
		identity_of(v, &id);
		assert_ok(vx6_service_build(&s, &id, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	assert_int_equal(seen, 3);
	vec_free(vectors);
}

static void service_build__what_may_not_travel__is_refused(void **state)
{
	struct vx6_service_record s = {.issued_s = NOW,
				       .lifetime_s = 60,
				       .name = "web",
				       .kind = VX6_SERVICE_TCP};
	uint8_t out[VX6_SERVICE_MAX];
	struct vx6_identity id;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	assert_ok(vx6_service_build(&s, &id, out, &n));
	s.kind = 2;
	assert_err(vx6_service_build(&s, &id, out, &n), INVALID);
	s.kind = VX6_SERVICE_TCP;
	strcpy(s.alpn, "a b");
	assert_err(vx6_service_build(&s, &id, out, &n), INVALID);
	memset(s.alpn, 'x', sizeof s.alpn);
	assert_err(vx6_service_build(&s, &id, out, &n), INVALID);
	s.alpn[0] = '\0';
	s.name[0] = '\0';
	assert_err(vx6_service_build(&s, &id, out, &n), INVALID);
}

static vx6_err read_crafted(uint8_t type, const void *value, size_t value_n)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_SERVICE,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	uint8_t out[VX6_SERVICE_MAX];
	struct vx6_record_builder b;
	struct vx6_service_record s;
	struct vx6_identity id;
	struct vx6_record rec;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	vx6_record_build_begin(&b, &h, &id, out, sizeof out);
	vx6_tlv_wr_put(&b.tlv, type, value, value_n);
	assert_ok(vx6_record_build_finish(&b, &id, &n));
	assert_ok(vx6_record_parse(out, n, &rec));
	return vx6_service_read(&rec, &s);
}

static void service_read__crafted_contents__are_refused(void **state)
{
	static const uint8_t good[] = {3, 'w', 'e', 'b', 1, 0, 80, 2, 'h', '2'};
	uint8_t bad[64];

	assert_ok(read_crafted(VX6_RTLV_SERVICE, good, sizeof good));
	for (size_t n = 0; n < sizeof good; n++)
		assert_fails(read_crafted(VX6_RTLV_SERVICE, good, n));
	memcpy(bad, good, sizeof good);
	bad[sizeof good] = 0;
	assert_err(read_crafted(VX6_RTLV_SERVICE, bad, sizeof good + 1), TRAILING);
	bad[1] = 'W';
	assert_err(read_crafted(VX6_RTLV_SERVICE, bad, sizeof good), FORMAT);
	bad[1] = 'w', bad[4] = 9;
	assert_err(read_crafted(VX6_RTLV_SERVICE, bad, sizeof good), UNSUPPORTED);
	bad[4] = 1, bad[8] = '\n';
	assert_err(read_crafted(VX6_RTLV_SERVICE, bad, sizeof good), FORMAT);
	bad[0] = 33;
	assert_err(read_crafted(VX6_RTLV_SERVICE, bad, 60), LIMIT);
	assert_err(read_crafted(VX6_RTLV_NAME, "web", 3), FORMAT); /* no service in it */
	assert_err(read_crafted(0x80, "", 0), UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service__golden_bytes__both_ways),
		cmocka_unit_test(service_build__what_may_not_travel__is_refused),
		cmocka_unit_test(service_read__crafted_contents__are_refused),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
