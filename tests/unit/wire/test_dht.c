#include "tests/unit/vectors.h"
#include "wire/code.h"
#include "wire/dht.h"
#include "wire/record.h"

enum { ANSWER_MAX = 16384, NODE = 53, BARE_ASK = 35, BARE_ANSWER = 13 };

static bool is_ask(const cJSON *v)
{
	return strncmp(vec_text(v, "name"), "ask", 3) == 0;
}

static void dht_req__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("dht_messages");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_DHT_REQ_MAX], out[VX6_DHT_REQ_MAX], record[VX6_RECORD_MAX];
		struct vx6_dht_req req;
		struct vx6_wr w;
		size_t n, record_n;

		if (!is_ask(v))
			continue;
		n = vec_hex(v, "bytes", bytes, sizeof bytes);
		record_n = vec_hex(v, "record", record, sizeof record);
		assert_ok(vx6_dht_req_decode(bytes, n, &req));
		assert_int_equal(req.op, vec_num(v, "op"));
		assert_int_equal(req.flags, vec_num(v, "flags"));
		assert_int_equal(req.limit, vec_num(v, "limit"));
		assert_int_equal(req.record_n, record_n);
		if (record_n > 0)
			assert_memory_equal(req.record, record, record_n);
		vx6_wr_init(&w, out, sizeof out);
		vx6_dht_req_encode(&w, &req);
		assert_ok(w.err);
		assert_int_equal(w.len, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void check_answer(const cJSON *v, struct vx6_dht_resp *resp, struct vx6_dht_resp_wr *b)
{
	const cJSON *want;

	cJSON_ArrayForEach(want, cJSON_GetObjectItem(v, "nodes"))
	{
		uint8_t node_id[32], ip[16];
		struct vx6_dht_node node;

		assert_true(vx6_dht_resp_node(resp, &node));
		vec_hex(want, "node", node_id, sizeof node_id);
		vec_hex(want, "ip", ip, sizeof ip);
		assert_memory_equal(node.node_id, node_id, sizeof node_id);
		assert_memory_equal(node.ip, ip, sizeof ip);
		assert_int_equal(node.port, vec_num(want, "port"));
		assert_int_equal(node.via, vec_num(want, "via"));
		assert_int_equal(node.age_days, vec_num(want, "age_days"));
		vx6_dht_resp_add_node(b, &node);
	}
	cJSON_ArrayForEach(want, cJSON_GetObjectItem(v, "values"))
	{
		uint8_t record[VX6_RECORD_MAX];
		const uint8_t *got;
		uint32_t age_s;
		size_t n;

		assert_true(vx6_dht_resp_value(resp, &age_s, &got, &n));
		assert_int_equal(age_s, vec_num(want, "age_s"));
		assert_int_equal(n, vec_hex(want, "record", record, sizeof record));
		assert_memory_equal(got, record, n);
		assert_true(vx6_dht_resp_add_value(b, age_s, got, n));
	}
}

static void dht_resp__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("dht_messages");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[ANSWER_MAX], out[ANSWER_MAX], token[VX6_DHT_TOKEN_BYTES];
		struct vx6_dht_resp_wr b;
		struct vx6_dht_resp resp;
		struct vx6_dht_node node;
		const uint8_t *record;
		struct vx6_wr w;
		uint32_t age_s;
		size_t n;

		if (is_ask(v))
			continue;
		n = vec_hex(v, "bytes", bytes, sizeof bytes);
		vec_hex(v, "token", token, sizeof token);
		assert_ok(vx6_dht_resp_decode(bytes, n, &resp));
		assert_int_equal(resp.op, vec_num(v, "op"));
		assert_int_equal(resp.status, vec_num(v, "status"));
		assert_memory_equal(resp.token, token, sizeof token);
		vx6_wr_init(&w, out, sizeof out);
		vx6_dht_resp_begin(&b, &w, resp.op, resp.status, resp.token);
		check_answer(v, &resp, &b);
		vx6_dht_resp_end(&b);
		assert_false(vx6_dht_resp_node(&resp, &node));
		assert_false(vx6_dht_resp_value(&resp, &age_s, &record, &n));
		assert_ok(w.err);
		assert_int_equal(w.len, vec_hex(v, "bytes", bytes, sizeof bytes));
		assert_memory_equal(out, bytes, w.len);
	}
	vec_free(vectors);
}

static void dht_decode__cut_anywhere_or_one_byte_more__is_refused(void **state)
{
	cJSON *vectors = vec_load("dht_messages");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[ANSWER_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);
		bool ask = is_ask(v), put = ask && vec_num(v, "op") == VX6_DHT_PUT;

		bytes[n] = 0;
		for (size_t cut = 0; cut <= n + 1; cut++) {
			uint8_t *copy = exact_copy(bytes, cut);
			struct vx6_dht_resp resp;
			struct vx6_dht_req req;

			/* a record ends where the request does: its own framing tells */
			if (put && cut > BARE_ASK + VX6_DHT_TOKEN_BYTES)
				assert_ok(vx6_dht_req_decode(copy, cut, &req));
			else if (ask && cut < n)
				assert_err(vx6_dht_req_decode(copy, cut, &req), SHORT);
			else if (ask && cut > n)
				assert_err(vx6_dht_req_decode(copy, cut, &req), TRAILING);
			else if (cut < n)
				assert_err(vx6_dht_resp_decode(copy, cut, &resp), SHORT);
			else if (cut > n)
				assert_err(vx6_dht_resp_decode(copy, cut, &resp), TRAILING);
			free(copy);
		}
	}
	vec_free(vectors);
}

static void dht_req_decode__unknown_op_or_flag__is_unsupported(void **state)
{
	uint8_t bytes[BARE_ASK] = {0};
	struct vx6_dht_req req;

	for (unsigned op = 0; op < 256; op++)
		for (unsigned flags = 0; flags < 256; flags++) {
			bool known =
				op >= VX6_DHT_PING && op <= VX6_DHT_DIALBACK &&
				(flags == 0 || (op == VX6_DHT_GET && flags == VX6_DHT_NO_VALUES) ||
				 (op == VX6_DHT_PUT && flags == VX6_DHT_CACHE));

			bytes[0] = (uint8_t)op;
			bytes[1] = (uint8_t)flags;
			if (!known)
				assert_err(vx6_dht_req_decode(bytes, sizeof bytes, &req),
					   UNSUPPORTED);
			else if (op == VX6_DHT_PUT)
				assert_err(vx6_dht_req_decode(bytes, sizeof bytes, &req), SHORT);
			else
				assert_ok(vx6_dht_req_decode(bytes, sizeof bytes, &req));
		}
}

static void dht_req_decode__limit__is_between_1_and_20(void **state)
{
	uint8_t bytes[BARE_ASK] = {VX6_DHT_FIND};
	struct vx6_dht_req req;

	for (unsigned limit = 0; limit < 256; limit++) {
		bytes[2] = (uint8_t)limit;
		assert_ok(vx6_dht_req_decode(bytes, sizeof bytes, &req));
		assert_int_equal(req.limit, limit == 0 || limit > 20 ? 20 : limit);
	}
}

static void dht_put__record_sizes__one_to_8192(void **state)
{
	uint8_t *bytes =
		exact_copy((uint8_t[VX6_DHT_REQ_MAX + 1]){VX6_DHT_PUT}, VX6_DHT_REQ_MAX + 1);
	struct vx6_dht_req req;
	struct vx6_wr w;
	uint8_t out[64];

	assert_ok(vx6_dht_req_decode(bytes, VX6_DHT_REQ_MAX, &req));
	assert_int_equal(req.record_n, VX6_RECORD_MAX);
	assert_err(vx6_dht_req_decode(bytes, VX6_DHT_REQ_MAX + 1, &req), LIMIT);
	assert_null(req.record);
	assert_err(vx6_dht_req_decode(bytes, BARE_ASK + VX6_DHT_TOKEN_BYTES, &req), SHORT);
	free(bytes);

	req = (struct vx6_dht_req){.op = VX6_DHT_PUT};
	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_req_encode(&w, &req);
	assert_err(w.err, LIMIT);
}

static void dht_resp_decode__counts_above_the_caps__are_refused(void **state)
{
	uint8_t *bytes = exact_copy((uint8_t[ANSWER_MAX]){VX6_DHT_GET | 0x80}, ANSWER_MAX);
	struct vx6_dht_resp resp;

	bytes[11] = VX6_DHT_NODES_MAX + 1;
	assert_err(vx6_dht_resp_decode(bytes, ANSWER_MAX, &resp), LIMIT);
	bytes[11] = 0;
	bytes[12] = VX6_DHT_VALUES_MAX + 1;
	assert_err(vx6_dht_resp_decode(bytes, ANSWER_MAX, &resp), LIMIT);
	bytes[12] = 1; /* an empty record */
	assert_err(vx6_dht_resp_decode(bytes, BARE_ANSWER + 6, &resp), SHORT);
	bytes[17] = 0x20;
	bytes[18] = 0x01;
	assert_err(vx6_dht_resp_decode(bytes, BARE_ANSWER + 6 + 8193, &resp), LIMIT);
	bytes[18] = 0x00;
	assert_ok(vx6_dht_resp_decode(bytes, BARE_ANSWER + 6 + 8192, &resp));
	bytes[12] = 2; /* the cap is for all of them together */
	bytes[BARE_ANSWER + 6 + 8192 + 5] = 1;
	assert_err(vx6_dht_resp_decode(bytes, BARE_ANSWER + 6 + 8192 + 7, &resp), LIMIT);
	bytes[0] = VX6_DHT_GET;
	assert_err(vx6_dht_resp_decode(bytes, BARE_ANSWER, &resp), UNSUPPORTED);
	bytes[0] = 0x86;
	assert_err(vx6_dht_resp_decode(bytes, BARE_ANSWER, &resp), UNSUPPORTED);
	free(bytes);
}

static void dht_resp_write__more_than_fits__is_left_out(void **state)
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES], record[4096] = {'V'};
	uint8_t out[ANSWER_MAX];
	struct vx6_dht_resp_wr b;
	struct vx6_dht_resp resp;
	struct vx6_wr w;

	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_resp_begin(&b, &w, VX6_DHT_GET, VX6_CODE_OK, token);
	assert_true(vx6_dht_resp_add_value(&b, 1, record, sizeof record));
	assert_true(vx6_dht_resp_add_value(&b, 1, record, sizeof record - 1));
	assert_false(vx6_dht_resp_add_value(&b, 1, record, 2));
	assert_true(vx6_dht_resp_add_value(&b, 1, record, 1));
	assert_false(vx6_dht_resp_add_value(&b, 1, record, 1));
	vx6_dht_resp_end(&b);
	assert_ok(w.err);
	assert_ok(vx6_dht_resp_decode(out, w.len, &resp));
	assert_int_equal(resp.values_n, 3);

	vx6_wr_init(&w, out, BARE_ANSWER + 8); /* room for two bytes of record */
	vx6_dht_resp_begin(&b, &w, VX6_DHT_GET, VX6_CODE_OK, token);
	assert_false(vx6_dht_resp_add_value(&b, 1, record, 3));
	assert_true(vx6_dht_resp_add_value(&b, 1, record, 2));
	assert_false(vx6_dht_resp_add_value(&b, 1, record, 1));
	vx6_dht_resp_end(&b);
	assert_ok(w.err);
	assert_ok(vx6_dht_resp_decode(out, w.len, &resp));
	assert_int_equal(resp.values_n, 1);
}

static void dht_resp_write__nodes_out_of_order_or_too_many__is_a_bug(void **state)
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES];
	struct vx6_dht_node node = {.port = 1};
	uint8_t out[ANSWER_MAX];
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;

	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_resp_begin(&b, &w, VX6_DHT_FIND, VX6_CODE_OK, token);
	for (unsigned i = 0; i < VX6_DHT_NODES_MAX; i++)
		vx6_dht_resp_add_node(&b, &node);
	assert_ok(w.err);
	vx6_dht_resp_add_node(&b, &node);
	assert_err(w.err, LIMIT);

	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_resp_begin(&b, &w, VX6_DHT_GET, VX6_CODE_OK, token);
	assert_true(vx6_dht_resp_add_value(&b, 1, (const uint8_t *)"x", 1));
	vx6_dht_resp_add_node(&b, &node);
	assert_err(w.err, BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dht_req__golden_bytes__both_ways),
		cmocka_unit_test(dht_resp__golden_bytes__both_ways),
		cmocka_unit_test(dht_decode__cut_anywhere_or_one_byte_more__is_refused),
		cmocka_unit_test(dht_req_decode__unknown_op_or_flag__is_unsupported),
		cmocka_unit_test(dht_req_decode__limit__is_between_1_and_20),
		cmocka_unit_test(dht_put__record_sizes__one_to_8192),
		cmocka_unit_test(dht_resp_decode__counts_above_the_caps__are_refused),
		cmocka_unit_test(dht_resp_write__more_than_fits__is_left_out),
		cmocka_unit_test(dht_resp_write__nodes_out_of_order_or_too_many__is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
