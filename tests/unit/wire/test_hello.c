#include "tests/unit/vectors.h"
#include "wire/ctl.h"
#include "wire/hello.h"

struct loaded {
	uint8_t bytes[VX6_CTL_MAX];
	size_t n;
};

static struct loaded load(const char *name)
{
	cJSON *vectors = vec_load("hellos");
	struct loaded l = {.n = vec_hex(vec_find(vectors, name), "bytes", l.bytes, sizeof l.bytes)};

	vec_free(vectors);
	return l;
}

static vx6_err decode(const struct loaded *l, struct vx6_hello *h)
{
	return vx6_hello_decode(l->bytes + VX6_CTL_HEADER, l->n - VX6_CTL_HEADER, h);
}

static void assert_blob(const cJSON *v, const char *field, const uint8_t *p, size_t n)
{
	uint8_t want[VX6_CTL_MAX];
	size_t want_n = vec_hex(v, field, want, sizeof want);

	assert_int_equal(!p, want_n == 0);
	if (p) {
		assert_int_equal(n, want_n);
		assert_memory_equal(p, want, n);
	}
}

static void hello__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("hellos");

	VEC_EACH(v, vectors)
	{
		uint8_t out[VX6_CTL_MAX], ip[16] = {0};
		struct loaded l = {.n = vec_hex(v, "bytes", l.bytes, sizeof l.bytes)};
		struct vx6_hello h;
		struct vx6_ctl m;
		struct vx6_wr w;
		size_t used;

		assert_ok(vx6_ctl_decode(l.bytes, l.n, &m, &used));
		assert_int_equal(m.type, VX6_CTL_HELLO);
		assert_ok(vx6_hello_decode(m.body, m.body_len, &h));
		assert_int_equal(h.version, vec_num(v, "version"));
		assert_int_equal(h.min_version, vec_num(v, "min_version"));
		assert_int_equal(h.features, vec_num(v, "features"));
		assert_int_equal(h.role, vec_num(v, "role"));
		assert_int_equal(h.max_cell, vec_num(v, "max_cell"));
		assert_int_equal(h.clock_ms, vec_num(v, "clock"));
		assert_int_equal(h.observed.family == VX6_ADDR_IP, vec_hex(v, "ip", ip, 16) == 16);
		assert_memory_equal(h.observed.ip, ip, 16);
		assert_int_equal(h.observed.port, vec_num(v, "port"));
		assert_blob(v, "node_id", h.node_id, 32);
		assert_blob(v, "cert", h.subkey_cert, VX6_SUBKEY_CERT_BYTES);
		assert_blob(v, "endpoint", h.endpoint, h.endpoint_n);
		if (cJSON_GetObjectItem(v, "proof"))
			assert_blob(v, "proof", h.proof, VX6_HELLO_PROOF_BYTES);
		else
			assert_null(h.proof);
		vx6_wr_init(&w, out, sizeof out);
		vx6_hello_encode(&w, &h);
		assert_ok(w.err);
		assert_int_equal(w.len, l.n);
		assert_memory_equal(out, l.bytes, l.n);
	}
	vec_free(vectors);
}

static void hello_decode__cut_at_each_byte__fails(void **state)
{
	struct loaded l = load("node");
	struct vx6_hello h;

	for (size_t n = 0; n < l.n - VX6_CTL_HEADER; n++) {
		uint8_t *cut = exact_copy(l.bytes + VX6_CTL_HEADER, n);

		assert_fails(vx6_hello_decode(cut, n, &h));
		assert_null(h.node_id);
		free(cut);
	}
}

static void hello_decode__trailing_byte__fails(void **state)
{
	struct loaded l = load("anonymous");
	struct vx6_hello h;

	l.bytes[l.n++] = 0x7f;
	assert_err(decode(&l, &h), SHORT); /* the beginning of one more TLV */
}

static void hello_decode__above_the_limit__is_limit(void **state)
{
	static uint8_t in[VX6_HELLO_MAX + 1];
	struct vx6_hello h;

	assert_err(vx6_hello_decode(in, sizeof in, &h), LIMIT);
}

static void hello_decode__role_and_fields_disagree__is_refused(void **state)
{
	enum { ROLE_AT = VX6_CTL_HEADER + 10 };
	struct loaded node = load("node"), anon = load("anonymous");
	struct vx6_hello h;

	node.bytes[ROLE_AT] = VX6_ROLE_ANON;
	assert_err(decode(&node, &h), FORMAT); /* an anonymous peer must not tell who it is */
	anon.bytes[ROLE_AT] = VX6_ROLE_NODE;
	assert_err(decode(&anon, &h), FORMAT);
	anon.bytes[ROLE_AT] = 0;
	assert_err(decode(&anon, &h), UNSUPPORTED);
	anon.bytes[ROLE_AT] = VX6_ROLE_ANON;
	anon.bytes[ROLE_AT + 3] = 1; /* clock */
	assert_err(decode(&anon, &h), FORMAT);
}

static void hello_decode__proof__of_its_size_and_of_nobody_anonymous(void **state)
{
	struct loaded l = load("circuit initiator"), anon = load("anonymous");
	size_t tlv = l.n - VX6_HELLO_PROOF_BYTES - 3;
	struct vx6_hello h;

	assert_ok(decode(&l, &h));
	memcpy(anon.bytes + anon.n, l.bytes + tlv, l.n - tlv);
	anon.n += l.n - tlv;
	assert_err(decode(&anon, &h), FORMAT);
	l.n--;
	l.bytes[tlv + 2]--;
	assert_err(decode(&l, &h), SHORT);
	l.bytes[l.n++] = 0;
	l.bytes[l.n++] = 0;
	l.bytes[tlv + 2] += 2;
	assert_err(decode(&l, &h), TRAILING);
}

static void hello_decode__versions__must_make_sense(void **state)
{
	struct loaded l = load("newer");
	struct vx6_hello h;

	assert_ok(decode(&l, &h));
	assert_int_equal(vx6_hello_common_version(&h), 0); /* it speaks 2 to 7 */
	h.min_version = 1;
	assert_int_equal(vx6_hello_common_version(&h), 1);
	l.bytes[VX6_CTL_HEADER + 1] = 1; /* version 1, min 2 */
	assert_err(decode(&l, &h), RANGE);
	l.bytes[VX6_CTL_HEADER + 1] = 0;
	assert_err(decode(&l, &h), RANGE);
}

static void hello_decode__unknown_tlvs__critical_ones_are_refused(void **state)
{
	struct loaded l = load("anonymous");
	struct vx6_hello h;

	memcpy(l.bytes + l.n, "\x40\x00\x01z", 4);
	l.n += 4;
	assert_ok(decode(&l, &h));
	l.bytes[l.n - 4] = 0xc0;
	assert_err(decode(&l, &h), UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello__golden_bytes__both_ways),
		cmocka_unit_test(hello_decode__cut_at_each_byte__fails),
		cmocka_unit_test(hello_decode__trailing_byte__fails),
		cmocka_unit_test(hello_decode__above_the_limit__is_limit),
		cmocka_unit_test(hello_decode__role_and_fields_disagree__is_refused),
		cmocka_unit_test(hello_decode__proof__of_its_size_and_of_nobody_anonymous),
		cmocka_unit_test(hello_decode__versions__must_make_sense),
		cmocka_unit_test(hello_decode__unknown_tlvs__critical_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
