#include "tests/unit/vectors.h"
#include "wire/cell.h"
#include "wire/tlv.h"

/* One vector, with what all kinds of them have. */
struct sample {
	uint8_t bytes[VX6_CELL_BYTES], hs[VX6_CELL_BYTES], key_id[VX6_CREATE_KEY_ID], node[32];
	size_t n, hs_n;
};

static void take(const cJSON *v, struct sample *s)
{
	memset(s, 0, sizeof *s);
	s->n = vec_hex(v, "bytes", s->bytes, sizeof s->bytes);
	s->hs_n = cJSON_HasObjectItem(v, "hs") ? vec_hex(v, "hs", s->hs, sizeof s->hs) : 0;
	if (cJSON_HasObjectItem(v, "key_id"))
		vec_hex(v, "key_id", s->key_id, sizeof s->key_id);
	if (cJSON_HasObjectItem(v, "node"))
		vec_hex(v, "node", s->node, sizeof s->node);
}

static bool is_kind(const cJSON *v, const char *kind)
{
	return strcmp(vec_text(v, "kind"), kind) == 0;
}

static void same_create(const struct vx6_create *c, const struct sample *s)
{
	assert_int_equal(c->hs_n, s->hs_n);
	assert_memory_equal(c->hs, s->hs, s->hs_n);
	assert_memory_equal(c->key_id, s->key_id, sizeof s->key_id);
}

static void same_created(const struct vx6_created *c, const struct sample *s)
{
	assert_int_equal(c->hs_n, s->hs_n);
	assert_memory_equal(c->hs, s->hs, s->hs_n);
}

/* ---- handshake ---- */

static void one_create(const cJSON *v)
{
	uint8_t cell[VX6_CELL_BYTES], out[VX6_CELL_BYTES], bare[VX6_CREATE_MAX];
	struct vx6_create c;
	struct sample s;
	struct vx6_wr w;
	size_t used;

	take(v, &s);
	for (size_t cut = 0; cut < s.n; cut++) {
		uint8_t *part = exact_copy(s.bytes, cut);

		assert_err(vx6_create_decode(part, cut, &c), SHORT);
		assert_null(c.hs);
		free(part);
	}
	assert_ok(vx6_create_decode(s.bytes, s.n, &c));
	same_create(&c, &s);
	vx6_wr_init(&w, bare, sizeof bare);
	vx6_create_encode(&w, &c);
	assert_ok(w.err);
	assert_int_equal(w.len, s.n);
	assert_memory_equal(bare, s.bytes, s.n);
	s.bytes[s.n] = 0;
	assert_err(vx6_create_decode(s.bytes, s.n + 1, &c), TRAILING);

	assert_int_equal(vec_hex(v, "cell", cell, sizeof cell), sizeof cell);
	assert_ok(vx6_cell_get_create(cell, &c)); /* whatever the fill */
	same_create(&c, &s);
	memcpy(out, cell, sizeof out);
	memset(out, 0xee, 1 + s.n);
	assert_ok(vx6_cell_put_create(out, &c, &used));
	assert_int_equal(used, 1 + s.n);
	assert_memory_equal(out, cell, sizeof out); /* which was left alone */
	cell[0] = VX6_CELL_CREATED;
	assert_err(vx6_cell_get_create(cell, &c), MISMATCH);
	assert_null(c.hs);
}

static void one_created(const cJSON *v)
{
	uint8_t cell[VX6_CELL_BYTES], out[VX6_CELL_BYTES], bare[VX6_CREATED_MAX];
	struct vx6_created c;
	struct sample s;
	struct vx6_wr w;
	size_t used;

	take(v, &s);
	for (size_t cut = 0; cut < s.n; cut++) {
		uint8_t *part = exact_copy(s.bytes, cut);

		assert_err(vx6_created_decode(part, cut, &c), SHORT);
		assert_null(c.hs);
		free(part);
	}
	assert_ok(vx6_created_decode(s.bytes, s.n, &c));
	same_created(&c, &s);
	vx6_wr_init(&w, bare, sizeof bare);
	vx6_created_encode(&w, &c);
	assert_ok(w.err);
	assert_int_equal(w.len, s.n);
	assert_memory_equal(bare, s.bytes, s.n);
	s.bytes[s.n] = 0;
	assert_err(vx6_created_decode(s.bytes, s.n + 1, &c), TRAILING);

	assert_int_equal(vec_hex(v, "cell", cell, sizeof cell), sizeof cell);
	assert_ok(vx6_cell_get_created(cell, &c));
	same_created(&c, &s);
	memcpy(out, cell, sizeof out);
	memset(out, 0xee, 1 + s.n);
	assert_ok(vx6_cell_put_created(out, &c, &used));
	assert_int_equal(used, 1 + s.n);
	assert_memory_equal(out, cell, sizeof out);
	cell[0] = VX6_CELL_RELAY;
	assert_err(vx6_cell_get_created(cell, &c), MISMATCH);
	assert_null(c.hs);
}

static void handshake__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("cells");
	int n = 0;

	VEC_EACH(v, vectors)
	{
		if (is_kind(v, "create"))
			one_create(v);
		else if (is_kind(v, "created"))
			one_created(v);
		else
			continue;
		n++;
	}
	assert_int_equal(n, 6);
	vec_free(vectors);
}

static void handshake__lengths_that_cannot_be__are_refused(void **state)
{
	uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_CREATE, VX6_CREATE_VERSION},
		hs[VX6_CELL_BYTES] = {0};
	struct vx6_create c = {.key_id = hs, .hs = hs}, c_out;
	struct vx6_created d = {.hs = hs}, d_out;
	size_t used;

	static const struct {
		size_t n;
		int create, created;
	} lens[] = {{0, VX6_E_FORMAT, VX6_E_FORMAT},
		    {63, VX6_E_FORMAT, VX6_E_FORMAT},
		    {64, 0, 0},
		    {1012, 0, 0},
		    {1013, VX6_E_LIMIT, 0},
		    {1020, VX6_E_LIMIT, 0},
		    {1021, VX6_E_LIMIT, VX6_E_LIMIT},
		    {65535, VX6_E_LIMIT, VX6_E_LIMIT}};

	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		cell[2] = (uint8_t)(lens[i].n >> 8);
		cell[3] = (uint8_t)lens[i].n;
		cell[0] = VX6_CELL_CREATE;
		assert_int_equal(vx6_cell_get_create(cell, &c_out).code, lens[i].create);
		cell[0] = VX6_CELL_CREATED;
		assert_int_equal(vx6_cell_get_created(cell, &d_out).code, lens[i].created);
		c.hs_n = d.hs_n = lens[i].n;
		assert_int_equal(vx6_is_ok(vx6_cell_put_create(cell, &c, &used)),
				 lens[i].create == 0);
		assert_int_equal(vx6_is_ok(vx6_cell_put_created(cell, &d, &used)),
				 lens[i].created == 0);
		cell[1] = VX6_CREATE_VERSION;
	}
	cell[0] = VX6_CELL_CREATE;
	cell[1] = 2;
	assert_err(vx6_cell_get_create(cell, &c_out), UNSUPPORTED);
	cell[0] = VX6_CELL_CREATED;
	assert_err(vx6_cell_get_created(cell, &d_out), UNSUPPORTED);
}

/* ---- messages inside of it ---- */

static void one_client_msg(const cJSON *v)
{
	uint8_t out[VX6_CM_MAX];
	struct vx6_client_msg m;
	struct sample s;
	struct vx6_wr w;

	take(v, &s);
	for (size_t cut = 1; cut < s.n; cut++) {
		uint8_t *part = exact_copy(s.bytes, cut);

		assert_err(vx6_client_msg_decode(part, cut, &m), SHORT);
		assert_false(m.has_next);
		free(part);
	}
	assert_ok(vx6_client_msg_decode(s.bytes, s.n, &m));
	assert_true(m.has_next);
	assert_memory_equal(m.next_node, s.node, sizeof s.node);
	same_create(&m.next, &s);
	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &m);
	assert_ok(w.err);
	assert_int_equal(w.len, s.n);
	assert_memory_equal(out, s.bytes, s.n);
}

static void one_client_word(const cJSON *v)
{
	uint8_t out[VX6_CM_MAX], bytes[VX6_CM_MAX], data[VX6_CM_MAX];
	size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);
	size_t data_n = vec_hex(v, "data", data, sizeof data);
	struct vx6_client_msg m;
	struct vx6_wr w;

	for (size_t cut = 1; cut < n; cut++) {
		uint8_t *part = exact_copy(bytes, cut);

		assert_err(vx6_client_msg_decode(part, cut, &m), SHORT);
		assert_int_equal(m.word.type, 0);
		free(part);
	}
	assert_ok(vx6_client_msg_decode(bytes, n, &m));
	assert_false(m.has_next);
	assert_int_equal(m.word.type, vec_num(v, "word"));
	assert_int_equal(m.word.n, data_n);
	if (data_n)
		assert_memory_equal(m.word.data, data, data_n);
	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &m);
	assert_ok(w.err);
	assert_int_equal(w.len, n);
	assert_memory_equal(out, bytes, n);
}

static void one_server_msg(const cJSON *v)
{
	uint8_t out[VX6_SM_MAX];
	struct vx6_server_msg m;
	struct sample s;
	struct vx6_wr w;

	take(v, &s);
	for (size_t cut = 1; cut < s.n; cut++) {
		uint8_t *part = exact_copy(s.bytes, cut);

		assert_err(vx6_server_msg_decode(part, cut, &m), SHORT);
		assert_false(m.has_inner || m.refused);
		free(part);
	}
	assert_ok(vx6_server_msg_decode(s.bytes, s.n, &m));
	assert_int_equal(m.has_inner, s.hs_n > 0);
	assert_int_equal(m.refused, vec_num(v, "code"));
	if (m.has_inner)
		same_created(&m.inner, &s);
	vx6_wr_init(&w, out, sizeof out);
	vx6_server_msg_encode(&w, &m);
	assert_ok(w.err);
	assert_int_equal(w.len, s.n);
	assert_memory_equal(out, s.bytes, s.n);
}

static void hidden_messages__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("cells");
	int n = 0;

	VEC_EACH(v, vectors)
	{
		if (is_kind(v, "client_msg"))
			one_client_msg(v);
		else if (is_kind(v, "client_word"))
			one_client_word(v);
		else if (is_kind(v, "server_msg"))
			one_server_msg(v);
		else
			continue;
		n++;
	}
	assert_int_equal(n, 8);
	vec_free(vectors);
}

static void hidden_messages__nothing_said__is_nothing(void **state)
{
	struct vx6_client_msg cm = {0};
	struct vx6_server_msg sm = {0};
	uint8_t out[8];
	struct vx6_wr w;

	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &cm);
	vx6_server_msg_encode(&w, &sm);
	assert_ok(w.err);
	assert_int_equal(w.len, 0);
	cm.has_next = true;
	assert_ok(vx6_client_msg_decode(NULL, 0, &cm));
	assert_false(cm.has_next);
	sm.refused = 1;
	assert_ok(vx6_server_msg_decode(NULL, 0, &sm));
	assert_int_equal(sm.refused, 0);
}

static void hidden_messages__unsound__are_refused(void **state)
{
	uint8_t hs[VX6_HS_MIN] = {0}, big[VX6_SM_MAX + 1] = {0x7e, 0x03, 0xb9}, buf[512];
	struct vx6_created inner = {.hs = hs, .hs_n = sizeof hs};
	struct vx6_client_msg cm;
	struct vx6_server_msg sm;
	struct vx6_tlv_wr t;
	struct vx6_wr w;

	/* later versions may say more, but not more that matters */
	assert_ok(vx6_client_msg_decode((const uint8_t *)"\x40\x00\x01x", 4, &cm));
	assert_err(vx6_client_msg_decode((const uint8_t *)"\xc0\x00\x01x", 4, &cm), UNSUPPORTED);
	assert_ok(vx6_server_msg_decode((const uint8_t *)"\x40\x00\x01x", 4, &sm));
	assert_err(vx6_server_msg_decode((const uint8_t *)"\xc0\x00\x01x", 4, &sm), UNSUPPORTED);
	assert_err(vx6_client_msg_decode(big, VX6_CM_MAX + 1, &cm), LIMIT);
	assert_err(vx6_server_msg_decode(big, VX6_SM_MAX + 1, &sm), LIMIT);
	assert_ok(vx6_server_msg_decode(big, VX6_SM_MAX, &sm));
	assert_err(vx6_server_msg_decode((const uint8_t *)"\x02\x00\x02\x00\x00", 5, &sm), FORMAT);
	assert_err(vx6_server_msg_decode((const uint8_t *)"\x02\x00\x03\x00\x41\x00", 6, &sm),
		   TRAILING);

	/* a word of no type, or of nobody */
	assert_err(vx6_client_msg_decode((const uint8_t *)"\x82\x00\x01\x00", 4, &cm), FORMAT);
	assert_err(vx6_client_msg_decode((const uint8_t *)"\x82\x00\x00", 3, &cm), SHORT);

	vx6_wr_init(&w, buf, sizeof buf);
	vx6_client_msg_encode(
		&w, &(struct vx6_client_msg){.has_next = true,
					     .next = {.key_id = hs, .hs = hs, .hs_n = sizeof hs}});
	vx6_wr_bytes(&w, (const uint8_t *)"\x82\x00\x01\x11", 4);
	assert_ok(w.err);
	assert_err(vx6_client_msg_decode(buf, w.len, &cm), FORMAT); /* it is not the last hop */
	assert_false(cm.has_next);

	vx6_wr_init(&w, buf, sizeof buf);
	vx6_tlv_wr_init(&t, &w);
	vx6_tlv_wr_begin(&t, 1);
	vx6_created_encode(&w, &inner);
	vx6_tlv_wr_end(&t);
	assert_ok(vx6_server_msg_decode(buf, w.len, &sm));
	vx6_tlv_wr_put(&t, 2, "\x00\x41", 2);
	assert_ok(w.err);
	assert_err(vx6_server_msg_decode(buf, w.len, &sm), FORMAT); /* both an answer and none */
	assert_false(sm.has_inner);
}

static void client_msg__too_long_for_a_handshake__is_refused(void **state)
{
	uint8_t hs[VX6_CREATE_HS_MAX] = {0}, out[2 * VX6_CELL_BYTES];
	struct vx6_client_msg m = {.has_next = true,
				   .next = {.key_id = hs, .hs = hs, .hs_n = 948 - 3 - 32 - 11}};
	struct vx6_wr w;

	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &m);
	assert_ok(w.err);
	assert_int_equal(w.len, VX6_CM_MAX);
	m.next.hs_n++;
	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &m);
	assert_err(w.err, LIMIT);
}

/* ---- payloads ---- */

static void one_extend(const cJSON *v, const struct vx6_payload *p, uint8_t *out, size_t *used)
{
	uint8_t record[VX6_CELL_BYTES];
	size_t record_n = vec_hex(v, "record", record, sizeof record);
	struct vx6_extend e;
	struct sample s;

	take(v, &s);
	for (size_t cut = 0; cut < p->n; cut++) {
		uint8_t *part = exact_copy(p->data, cut);
		struct vx6_payload shorter = {.type = p->type, .data = part, .n = cut};

		assert_err(vx6_payload_get_extend(&shorter, &e), SHORT);
		assert_null(e.create.hs);
		free(part);
	}
	assert_ok(vx6_payload_get_extend(p, &e));
	assert_memory_equal(e.node, s.node, sizeof s.node);
	same_create(&e.create, &s);
	assert_int_equal(e.record_n, record_n);
	if (record_n)
		assert_memory_equal(e.record, record, record_n);
	else
		assert_null(e.record);
	assert_ok(vx6_payload_put_extend(out, &e, used));
}

static void one_payload(const cJSON *v)
{
	uint8_t in[VX6_CELL_PAYLOAD], out[VX6_CELL_PAYLOAD];
	struct vx6_payload p;
	struct vx6_created c;
	size_t used = 0;
	struct sample s;
	uint64_t token;
	uint16_t code;

	take(v, &s);
	memset(in, 0xd7, sizeof in);
	memcpy(in, s.bytes, s.n);
	memset(out, 0xd7, sizeof out);
	assert_ok(vx6_payload_decode(in, &p));
	assert_int_equal(p.type, vec_num(v, "type"));
	assert_int_equal(p.n, s.n - VX6_PAYLOAD_HEADER);
	if (is_kind(v, "extend")) {
		one_extend(v, &p, out, &used);
	} else if (is_kind(v, "extended")) {
		assert_ok(vx6_payload_get_extended(&p, &c));
		same_created(&c, &s);
		assert_ok(vx6_payload_put_extended(out, &c, &used));
	} else if (is_kind(v, "code")) {
		assert_ok(vx6_payload_get_code(&p, &code));
		assert_int_equal(code, vec_num(v, "code"));
		used = vx6_payload_put_code(out, p.type, code);
	} else if (is_kind(v, "token")) {
		assert_ok(vx6_payload_get_token(&p, &token));
		assert_int_equal(token, vec_num(v, "token"));
		used = vx6_payload_put_token(out, p.type, token);
	} else {
		memcpy(out + VX6_PAYLOAD_HEADER, p.data, p.n);
		used = vx6_payload_seal(out, p.type, p.n);
	}
	assert_int_equal(used, s.n);
	assert_memory_equal(out, in, sizeof in); /* the fill too: nobody touched it */
}

static void payload__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("cells");
	int n = 0;

	VEC_EACH(v, vectors)
	{
		if (!cJSON_HasObjectItem(v, "type"))
			continue;
		one_payload(v);
		n++;
	}
	assert_int_equal(n, 13);
	vec_free(vectors);
}

static void payload_decode__unknown_or_too_long__is_refused(void **state)
{
	uint8_t in[VX6_CELL_PAYLOAD] = {0};
	struct vx6_payload p;

	assert_err(vx6_payload_decode(in, &p), UNSUPPORTED);
	in[0] = VX6_PAYLOAD_RENDEZVOUS2 + 1;
	assert_err(vx6_payload_decode(in, &p), UNSUPPORTED);
	in[0] = VX6_PAYLOAD_STREAMS;
	in[1] = VX6_PAYLOAD_MAX >> 8;
	in[2] = VX6_PAYLOAD_MAX & 0xff;
	assert_ok(vx6_payload_decode(in, &p));
	assert_int_equal(p.n, 1004);
	in[2]++;
	assert_err(vx6_payload_decode(in, &p), LIMIT);
	assert_null(p.data);
}

static void payload_get__of_another_type__is_a_mismatch(void **state)
{
	struct vx6_payload p = {.type = VX6_PAYLOAD_PAD,
				.data = (const uint8_t *)"12345678",
				.n = 8};
	struct vx6_extend e;
	struct vx6_created c;
	uint64_t token;
	uint16_t code;

	assert_err(vx6_payload_get_extend(&p, &e), MISMATCH);
	assert_err(vx6_payload_get_extended(&p, &c), MISMATCH);
	assert_err(vx6_payload_get_code(&p, &code), MISMATCH);
	assert_err(vx6_payload_get_token(&p, &token), MISMATCH);
}

static void payload_get__wrong_lengths__are_refused(void **state)
{
	struct vx6_payload p = {.type = VX6_PAYLOAD_PING, .data = (const uint8_t *)"123456789"};
	uint64_t token;
	uint16_t code;

	p.n = 7;
	assert_err(vx6_payload_get_token(&p, &token), SHORT);
	p.n = 9;
	assert_err(vx6_payload_get_token(&p, &token), TRAILING);
	assert_int_equal(token, 0);
	p.type = VX6_PAYLOAD_REFUSED;
	p.n = 1;
	assert_err(vx6_payload_get_code(&p, &code), SHORT);
	p.n = 3;
	assert_err(vx6_payload_get_code(&p, &code), TRAILING);
	p.n = 2;
	p.data = (const uint8_t *)"\0\0";
	assert_err(vx6_payload_get_code(&p, &code), FORMAT); /* nothing is wrong? */
}

static void extend__lengths_that_do_not_agree__are_refused(void **state)
{
	enum { CREATE_LEN_AT = 32, CREATE_AT = 34, HS_LEN_AT = CREATE_AT + 1 };
	cJSON *vectors = vec_load("cells");
	struct vx6_payload p;
	struct vx6_extend e;
	struct sample s;
	uint8_t *data, record[641] = {0}, out[VX6_CELL_PAYLOAD];
	size_t used;

	take(vec_find(vectors, "extend with a record"), &s);
	assert_ok(vx6_payload_decode(s.bytes, &p));
	data = s.bytes + VX6_PAYLOAD_HEADER;
	data[HS_LEN_AT + 1]++; /* the handshake says that it is longer than its CREATE */
	assert_err(vx6_payload_get_extend(&p, &e), SHORT);
	data[HS_LEN_AT + 1] -= 2;
	assert_err(vx6_payload_get_extend(&p, &e), FORMAT); /* 63 */
	data[HS_LEN_AT + 1]++;
	assert_ok(vx6_payload_get_extend(&p, &e));
	data[CREATE_LEN_AT] = 4; /* 1024 and more */
	assert_err(vx6_payload_get_extend(&p, &e), LIMIT);
	data[CREATE_LEN_AT] = 0;
	p.n--;
	assert_err(vx6_payload_get_extend(&p, &e), SHORT);
	p.n += 2;
	assert_err(vx6_payload_get_extend(&p, &e), TRAILING);
	p.n--;
	assert_ok(vx6_payload_get_extend(&p, &e));
	e.record = record;
	e.record_n = 640;
	assert_ok(vx6_payload_put_extend(out, &e, &used));
	e.record_n = 641;
	assert_err(vx6_payload_put_extend(out, &e, &used), LIMIT);
	assert_int_equal(used, 0);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake__golden_bytes__both_ways),
		cmocka_unit_test(handshake__lengths_that_cannot_be__are_refused),
		cmocka_unit_test(hidden_messages__golden_bytes__both_ways),
		cmocka_unit_test(hidden_messages__nothing_said__is_nothing),
		cmocka_unit_test(hidden_messages__unsound__are_refused),
		cmocka_unit_test(client_msg__too_long_for_a_handshake__is_refused),
		cmocka_unit_test(payload__golden_bytes__both_ways),
		cmocka_unit_test(payload_decode__unknown_or_too_long__is_refused),
		cmocka_unit_test(payload_get__of_another_type__is_a_mismatch),
		cmocka_unit_test(payload_get__wrong_lengths__are_refused),
		cmocka_unit_test(extend__lengths_that_do_not_agree__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
